select
    contact_id,
    nullif(product, '') as product,
    amount as loan_amount
from {{ ref('crm_products') }}
