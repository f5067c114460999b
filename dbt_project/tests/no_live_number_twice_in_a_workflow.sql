-- Each person at most once: a number holds at most one live enrolment per workflow.
select
    workflow_id,
    phone,
    count(*) as enrolments
from {{ ref('fct_enrolments') }}
where state = 'enrolled'
group by workflow_id, phone
having count(*) > 1
