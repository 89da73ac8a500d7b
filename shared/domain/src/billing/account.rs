//! The billing account of an organisation: its customer at Stripe, and what is written on its invoices.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Currency, Money};
use crate::{Email, Locale, OrgId, Refusal, Timestamp};

/// The longest line of an address, in characters.
const LONGEST: usize = 200;

/// An organisation's billing account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Account {
    /// Whose.
    pub org: OrgId,
    /// Stripe's customer; none before the first thing is bought.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stripe_customer: Option<String>,
    /// Where invoices go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<Email>,
    /// The name on invoices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The address on invoices, which also decides the tax.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<Address>,
    /// The language of invoices.
    #[serde(default)]
    pub locale: Locale,
    /// The currency that the customer pays in, fixed by the first thing bought.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<Currency>,
    /// The tax ids.
    #[serde(default)]
    pub tax_ids: Vec<TaxId>,
    /// What is paid with, unless a subscription says otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_payment_method: Option<String>,
    /// Whether an invoice is past due.
    #[serde(default)]
    pub delinquent: bool,
    /// What is owed to the customer (negative) or by them, beyond invoices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub balance: Option<Money>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A postal address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Address {
    /// Street and number.
    pub line1: String,
    /// What more there is to the line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line2: Option<String>,
    /// The place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub city: Option<String>,
    /// The postal code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postal_code: Option<String>,
    /// State, province or county.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// The country's two letters (ISO 3166-1).
    pub country: String,
}

/// A tax id with what Stripe found out about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TaxId {
    /// Stripe's id of it.
    pub id: String,
    /// Stripe's type, such as `eu_vat`.
    pub tax_type: String,
    /// The number.
    pub value: String,
    /// `pending`, `verified`, `unverified` or `unavailable`.
    pub verification: String,
}

/// What somebody wants written on invoices; what is absent stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AccountUpdate {
    /// Where invoices go.
    #[serde(default)]
    pub email: Option<Email>,
    /// The name on invoices.
    #[serde(default)]
    pub name: Option<String>,
    /// The address on invoices.
    #[serde(default)]
    pub address: Option<Address>,
    /// The language of invoices.
    #[serde(default)]
    pub locale: Option<Locale>,
}

impl Account {
    /// The account of an organisation that has bought nothing.
    #[must_use]
    pub fn new(org: OrgId, now: Timestamp) -> Self {
        Self {
            org,
            stripe_customer: None,
            email: None,
            name: None,
            address: None,
            locale: Locale::default(),
            currency: None,
            tax_ids: Vec::new(),
            default_payment_method: None,
            delinquent: false,
            balance: None,
            created_at: now,
        }
    }

    /// Writes down what somebody wants.
    ///
    /// # Errors
    /// 422 at the field that breaks a rule.
    pub fn update(&self, update: AccountUpdate) -> Result<Self, Refusal> {
        if let Some(name) = &update.name {
            sound("/name", name)?;
        }
        let address = update.address.map(Address::check).transpose()?;
        Ok(Self {
            email: update.email.or_else(|| self.email.clone()),
            name: update.name.map(|name| name.trim().to_owned()).or_else(|| self.name.clone()),
            address: address.or_else(|| self.address.clone()),
            locale: update.locale.unwrap_or(self.locale),
            ..self.clone()
        })
    }

    /// Whether a price can be bought in this currency.
    ///
    /// # Errors
    /// 409 `currency_fixed` when the customer pays in another one.
    pub fn ensure_pays_in(&self, currency: Currency) -> Result<(), Refusal> {
        match self.currency {
            Some(fixed) if fixed != currency => {
                let message =
                    format!("The organisation pays in {fixed}, and a customer keeps their currency.");
                Err(Refusal::conflict("currency_fixed", message).with("currency", fixed.as_str()))
            }
            _ => Ok(()),
        }
    }
}

impl Address {
    fn check(self) -> Result<Self, Refusal> {
        sound("/address/line1", &self.line1)?;
        let optional = [
            ("/address/line2", &self.line2),
            ("/address/city", &self.city),
            ("/address/postal_code", &self.postal_code),
            ("/address/state", &self.state),
        ];
        for (pointer, part) in optional {
            if let Some(part) = part {
                sound(pointer, part)?;
            }
        }
        if self.country.len() != 2 || !self.country.bytes().all(|byte| byte.is_ascii_uppercase()) {
            let message = "expected a country's two capital letters, such as FR";
            return Err(Refusal::invalid("/address/country", message));
        }
        Ok(self)
    }
}

fn sound(pointer: &str, text: &str) -> Result<(), Refusal> {
    let length = text.trim().chars().count();
    if (1..=LONGEST).contains(&length) && !text.chars().any(char::is_control) {
        return Ok(());
    }
    Err(Refusal::invalid(pointer, format!("expected 1 to {LONGEST} characters on one line")))
}

/// Whether a tax id looks like one of its type, before Stripe is asked.
///
/// # Errors
/// 422 `invalid` at `/value` for a number that cannot be one, at the type's place for an unknown type.
pub fn check_tax_id(tax_type: &str, value: &str) -> Result<String, Refusal> {
    const TYPES: [&str; 14] = [
        "ae_trn",
        "au_abn",
        "br_cnpj",
        "ca_bn",
        "ch_vat",
        "eu_oss_vat",
        "eu_vat",
        "gb_vat",
        "il_vat",
        "in_gst",
        "jp_cn",
        "no_vat",
        "sa_vat",
        "us_ein",
    ];
    if !TYPES.contains(&tax_type) {
        return Err(Refusal::invalid("/type", "expected one of Stripe's tax id types, such as eu_vat"));
    }
    let value: String = value.chars().filter(|c| !c.is_whitespace() && *c != '.').collect();
    let value = value.to_uppercase();
    let letters = value.bytes().take_while(u8::is_ascii_uppercase).count();
    let shaped = match tax_type {
        "eu_vat" => letters >= 2 && (8..=14).contains(&value.len()),
        "gb_vat" => value.starts_with("GB") && (11..=14).contains(&value.len()),
        _ => (5..=20).contains(&value.len()),
    };
    if shaped && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-/".contains(&byte)) {
        return Ok(value);
    }
    Err(Refusal::invalid("/value", format!("expected a number of type {tax_type}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(country: &str) -> Address {
        Address {
            line1: "1 rue de la Paix".to_owned(),
            line2: None,
            city: Some("Paris".to_owned()),
            postal_code: Some("75002".to_owned()),
            state: None,
            country: country.to_owned(),
        }
    }

    #[test]
    fn what_is_absent_stays_and_what_is_wrong_is_refused() {
        let account = Account::new(OrgId::from_ulid(1), Timestamp::from_secs(1));
        let update = AccountUpdate { name: Some(" Acme ".to_owned()), ..AccountUpdate::default() };
        let named = account.update(update).expect("a sound name");
        let update = AccountUpdate { address: Some(address("FR")), ..AccountUpdate::default() };
        let moved = named.update(update).expect("a sound address");
        assert_eq!((moved.name.as_deref(), moved.address), (Some("Acme"), Some(address("FR"))));
        for wrong in [address("fr"), address("FRA"), Address { line1: " ".to_owned(), ..address("FR") }] {
            let update = AccountUpdate { address: Some(wrong), ..AccountUpdate::default() };
            assert_eq!(account.update(update).map_err(|no| no.code), Err("invalid"));
        }
    }

    #[test]
    fn a_tax_id_has_its_types_shape() {
        assert_eq!(check_tax_id("eu_vat", "de 123 456 789").as_deref(), Ok("DE123456789"));
        assert!(check_tax_id("gb_vat", "GB123456789").is_ok());
        for (kind, wrong) in
            [("eu_vat", "123456789"), ("eu_vat", "DE12"), ("mars_vat", "M123456"), ("us_ein", "1")]
        {
            assert!(check_tax_id(kind, wrong).is_err(), "{kind} {wrong}");
        }
    }

    #[test]
    fn a_customer_keeps_their_currency() {
        let account = Account::new(OrgId::from_ulid(1), Timestamp::from_secs(1));
        assert_eq!(account.ensure_pays_in(Currency::EUR), Ok(()));
        let fixed = Account { currency: Some(Currency::USD), ..account };
        assert_eq!(fixed.ensure_pays_in(Currency::EUR).map_err(|no| no.code), Err("currency_fixed"));
    }
}
