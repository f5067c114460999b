-- A lead stands in one status now, and no change is written twice.
select enrolment_ref
from {{ ref('fct_lead_progress') }}
group by enrolment_ref
having
    sum(case when is_newest then 1 else 0 end) <> 1
    or count(*) <> count(distinct change_no)
