-- depends_on: {{ source('product_offers', 'enrolments') }}
-- The marts wait for all record tables of both syncs, so that one dbt call builds them all.
-- depends_on: {{ source('home_loans', 'rejected_rows') }}, {{ source('home_loans', 'enrolment_counts') }}
-- depends_on: {{ source('product_offers', 'rejected_rows') }}, {{ source('product_offers', 'enrolment_counts') }}
-- depends_on: {{ source('home_loans', 'lead_progress') }}, {{ source('product_offers', 'lead_progress') }}
select
    enrolments.enrolment_ref,
    enrolments.sync,
    enrolments.workflow_id,
    enrolments.lead_key,
    enrolments.lead_id,
    enrolments.phone,
    contacts.full_name,
    contacts.city,
    products.product,
    enrolments.state,
    enrolments.enrolled_at
from {{ source('home_loans', 'enrolments') }} as enrolments
left join {{ ref('stg_contacts') }} as contacts on contacts.contact_id = enrolments.lead_key
left join {{ ref('stg_products') }} as products on products.contact_id = enrolments.lead_key
