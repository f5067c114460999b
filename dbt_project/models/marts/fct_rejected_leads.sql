-- depends_on: {{ source('product_offers', 'rejected_rows') }}
select
    rejected.sync,
    rejected.workflow_id,
    rejected.lead_key,
    contacts.full_name,
    products.product,
    rejected.raw_phone,
    rejected.outcome,
    rejected.reason,
    rejected.detail,
    rejected.first_seen_at,
    rejected.last_seen_at
from {{ source('home_loans', 'rejected_rows') }} as rejected
left join {{ ref('stg_contacts') }} as contacts on contacts.contact_id = rejected.lead_key
left join {{ ref('stg_products') }} as products on products.contact_id = rejected.lead_key
where rejected.resolved_at is null
