-- From row to call to result. The day is that of the enrolment, or the day on which a row that is not
-- enrolled was first seen.
with progress as (
    select
        enrolment_ref,
        max(case when is_called then 1 else 0 end) as called,
        max(case when is_newest then status end) as status
    from {{ ref('fct_lead_progress') }}
    group by enrolment_ref
),

leads as (
    select
        enrolments.sync,
        enrolments.product,
        {{ utc_day('enrolments.enrolled_at') }} as day,
        1 as enrolled,
        coalesce(progress.called, 0) as called,
        coalesce(progress.status, 'not_listed') as status
    from {{ ref('fct_enrolments') }} as enrolments
    left join progress on progress.enrolment_ref = enrolments.enrolment_ref
    union all
    select
        rejected.sync,
        rejected.product,
        {{ utc_day('rejected.first_seen_at') }} as day,
        0 as enrolled,
        0 as called,
        '' as status
    from {{ ref('fct_rejected_leads') }} as rejected
    -- A person who was enrolled and then withdrawn is one lead, and was one.
    where not exists (
        select 1 from {{ ref('fct_enrolments') }} as enrolments
        where
            enrolments.sync = rejected.sync
            and enrolments.workflow_id = rejected.workflow_id
            and enrolments.lead_key = rejected.lead_key
    )
)

select
    sync,
    coalesce(product, '') as product,
    day,
    count(*) as leads,
    sum(1 - enrolled) as not_enrolled,
    sum(enrolled) as enrolled,
    sum(called) as called,
    sum(case when status = 'pending' then 1 else 0 end) as pending,
    sum(case when status = 'in_progress' then 1 else 0 end) as in_progress,
    sum(case when status = 'completed' then 1 else 0 end) as completed,
    sum(case when status = 'failed' then 1 else 0 end) as failed,
    sum(case when status = 'dropped' then 1 else 0 end) as dropped,
    sum(case when status = 'not_listed' then 1 else 0 end) as not_listed,
    sum(
        case
            when status in (
                '', 'pending', 'in_progress', 'completed', 'failed', 'dropped', 'not_listed'
            ) then 0
            else 1
        end
    ) as other_status,
    1.0 * sum(case when status = 'completed' then 1 else 0 end) / count(*) as completed_share
from leads
group by sync, coalesce(product, ''), day
