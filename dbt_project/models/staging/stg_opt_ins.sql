select contact_id
from {{ ref('crm_opt_ins') }}
where opted_in
