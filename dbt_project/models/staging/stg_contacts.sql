select
    contact_id,
    full_name,
    mobile,
    nullif(trim(country_code), '') as country_code,
    city,
    updated_at
from {{ ref('crm_contacts') }}
