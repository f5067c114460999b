-- depends_on: {{ source('product_offers', 'enrolment_counts') }}
-- Every run's account per sync and workflow; is_latest marks the newest run of each partition.
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
    row_number() over (
        partition by sync, workflow_id, partition_key order by recorded_at desc
    ) = 1 as is_latest
from {{ source('home_loans', 'enrolment_counts') }}
