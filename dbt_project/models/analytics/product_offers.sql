-- The other products, each routed to its own workflow; a contact without a product has none.
select
    contacts.contact_id as lead_id,
    contacts.mobile,
    contacts.country_code,
    contacts.full_name,
    contacts.city,
    coalesce(products.product, '') as product,
    products.loan_amount,
    case products.product
        when 'credit_card' then 'wf_credit_cards'
        when 'insurance' then 'wf_insurance'
    end as workflow_id,
    contacts.updated_at
from {{ ref('stg_contacts') }} as contacts
inner join {{ ref('stg_products') }} as products using (contact_id)
inner join {{ ref('stg_opt_ins') }} as opt_ins using (contact_id)
where products.product is null or products.product <> 'home_loan'
