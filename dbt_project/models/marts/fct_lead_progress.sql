-- depends_on: {{ source('product_offers', 'lead_progress') }}
-- A lead was called once DialNexa showed it in any status but those in which nobody has rung yet.
select
    progress.enrolment_ref,
    progress.change_no,
    progress.sync,
    progress.workflow_id,
    progress.lead_key,
    progress.lead_id,
    contacts.full_name,
    products.product,
    progress.status,
    progress.status not in ('{{ var("dialnexa_uncalled_statuses") | join("', '") }}') as is_called,
    progress.change_no = max(progress.change_no) over (
        partition by progress.enrolment_ref
    ) as is_newest,
    progress.lead_created_at,
    progress.observed_at
from {{ source('home_loans', 'lead_progress') }} as progress
left join {{ ref('stg_contacts') }} as contacts on contacts.contact_id = progress.lead_key
left join {{ ref('stg_products') }} as products on products.contact_id = progress.lead_key
