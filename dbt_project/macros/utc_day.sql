{% macro utc_day(moment) -%}
    {{ adapter.dispatch('utc_day', 'crm')(moment) }}
{%- endmacro %}

{% macro default__utc_day(moment) -%}
    cast({{ moment }} at time zone 'UTC' as date)
{%- endmacro %}

{% macro snowflake__utc_day(moment) -%}
    cast(convert_timezone('UTC', {{ moment }}) as date)
{%- endmacro %}
