-- Each enrolment stands in one row of the funnel, in one status.
with funnel as (
    select
        sync,
        sum(enrolled) as enrolled,
        sum(
            pending + in_progress + completed + failed + dropped + not_listed + other_status
        ) as in_a_status
    from {{ ref('conversion_funnel') }}
    group by sync
),

enrolments as (
    select sync, count(*) as enrolled
    from {{ ref('fct_enrolments') }}
    group by sync
)

select
    enrolments.sync,
    enrolments.enrolled,
    funnel.enrolled as in_the_funnel,
    funnel.in_a_status
from enrolments
left join funnel on funnel.sync = enrolments.sync
where
    funnel.sync is null
    or enrolments.enrolled <> funnel.enrolled
    or enrolments.enrolled <> funnel.in_a_status
