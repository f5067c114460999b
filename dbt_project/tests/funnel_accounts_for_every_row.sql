-- Conservation: the source rows of a run are the sum over its outcomes.
select *
from {{ ref('enrolment_funnel') }}
where
    source_rows
    <> enrolled + invalid + duplicate + suppressed + deferred + rejected + in_doubt + planned
