-- depends_on: {{ source('product_offers', 'enrolment_counts') }}
-- Every run's account per sync and workflow; is_latest marks the newest run of each sync and partition,
-- so that a workflow which that run no longer had is not shown with an older run's numbers.
select
    sync,
    workflow_id,
    partition_key,
    run_id,
    source_rows,
    enrolled,
    invalid,
    duplicate,
    suppressed,
    deferred,
    rejected,
    in_doubt,
    planned,
    recorded_at,
    run_id = first_value(run_id) over (
        partition by sync, partition_key
        order by recorded_at desc, run_id desc
        rows between unbounded preceding and unbounded following
    ) as is_latest
from {{ source('home_loans', 'enrolment_counts') }}
