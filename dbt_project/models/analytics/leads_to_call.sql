-- Contacts who asked about a home loan and agreed to be called.
select
    contacts.contact_id as lead_id,
    contacts.mobile,
    contacts.country_code,
    contacts.full_name,
    contacts.city,
    products.product,
    products.loan_amount,
    'wf_home_loans' as workflow_id,
    contacts.updated_at
from {{ ref('stg_contacts') }} as contacts
inner join {{ ref('stg_products') }} as products using (contact_id)
inner join {{ ref('stg_opt_ins') }} as opt_ins using (contact_id)
where products.product = 'home_loan'
