//! Stripe's test cards and accounts: what a number does when it is saved, charged, confirmed and refunded.

use serde_json::{Value, json};

use super::error::{Outcome, StripeError};
use super::value::{some, text};

/// How somebody pays: what a person types into Stripe's form.
#[derive(Debug, Clone, Default)]
pub struct PaidBy {
    kind: &'static str,
    number: String,
    country: Option<String>,
    vat_id: Option<String>,
    name: Option<String>,
    email: Option<String>,
    postal_code: Option<String>,
    expires: Option<(u32, u32)>,
}

impl PaidBy {
    /// With a card of this number.
    #[must_use]
    pub fn card(number: &str) -> Self {
        Self { kind: "card", number: number.replace(' ', ""), ..Self::default() }
    }

    /// By debit of this account.
    #[must_use]
    pub fn sepa(iban: &str) -> Self {
        Self { kind: "sepa_debit", number: iban.replace(' ', "").to_uppercase(), ..Self::default() }
    }

    /// Through the payer's Dutch bank.
    #[must_use]
    pub fn ideal() -> Self {
        Self { kind: "ideal", number: "NL20INGB0001234567".to_owned(), ..Self::default() }
    }

    /// Through the payer's Belgian bank.
    #[must_use]
    pub fn bancontact() -> Self {
        Self { kind: "bancontact", number: "BE62510007547061".to_owned(), ..Self::default() }
    }

    /// Living or seated in this country: `DE`.
    #[must_use]
    pub fn country(mut self, country: &str) -> Self {
        self.country = Some(country.to_owned());
        self
    }

    /// A business with this VAT id.
    #[must_use]
    pub fn vat_id(mut self, vat_id: &str) -> Self {
        self.vat_id = Some(vat_id.to_owned());
        self
    }

    /// Under this name.
    #[must_use]
    pub fn name(mut self, name: &str) -> Self {
        self.name = Some(name.to_owned());
        self
    }

    /// With this address for the receipt.
    #[must_use]
    pub fn email(mut self, email: &str) -> Self {
        self.email = Some(email.to_owned());
        self
    }

    /// With this postal code.
    #[must_use]
    pub fn postal_code(mut self, postal_code: &str) -> Self {
        self.postal_code = Some(postal_code.to_owned());
        self
    }

    /// With a card that expires in this month and year.
    #[must_use]
    pub fn expires(mut self, month: u32, year: u32) -> Self {
        self.expires = Some((month, year));
        self
    }

    /// What the page's form sends.
    pub(super) fn of_form(form: &[(String, String)]) -> Self {
        let field = |name: &str| {
            form.iter()
                .find(|(key, value)| key == name && !value.trim().is_empty())
                .map(|(_, value)| value.trim().to_owned())
        };
        let number = field("number").unwrap_or_default();
        let paid = match field("type").as_deref() {
            Some("sepa_debit") => Self::sepa(&number),
            Some("ideal") => Self::ideal(),
            Some("bancontact") => Self::bancontact(),
            _ => Self::card(&number),
        };
        let country = field("country").map(|country| country.to_uppercase());
        Self {
            country,
            vat_id: field("vat_id"),
            name: field("name"),
            email: field("email"),
            postal_code: field("postal_code"),
            ..paid
        }
    }

    pub(super) fn country_given(&self) -> Option<&str> {
        self.country.as_deref()
    }

    pub(super) fn vat_id_given(&self) -> Option<&str> {
        self.vat_id.as_deref()
    }

    pub(super) fn name_given(&self) -> Option<&str> {
        self.name.as_deref()
    }

    pub(super) fn email_given(&self) -> Option<&str> {
        self.email.as_deref()
    }

    pub(super) fn postal_code_given(&self) -> Option<&str> {
        self.postal_code.as_deref()
    }

    /// A payment method of it, yet without an id.
    ///
    /// # Errors
    /// When that is no number.
    pub(super) fn method(&self) -> Outcome<Value> {
        let mut method = match self.kind {
            "card" => card(&self.number)?,
            "sepa_debit" => sepa(&self.number)?,
            kind => json!({ "type": kind, (kind): { "bank": null }, "_number": self.number }),
        };
        if let Some((month, year)) = self.expires.filter(|_| self.kind == "card") {
            method["card"]["exp_month"] = month.into();
            method["card"]["exp_year"] = year.into();
        }
        method["billing_details"] = json!({
            "address": {
                "city": null, "country": self.country, "line1": null, "line2": null,
                "postal_code": self.postal_code, "state": null
            },
            "email": self.email, "name": self.name, "phone": null, "tax_id": null,
        });
        Ok(method)
    }
}

/// The payment method behind a test id such as `pm_card_visa`.
pub(super) fn of_test_id(id: &str) -> Option<Outcome<Value>> {
    let number = match id {
        "pm_card_visa" | "pm_card_fr" | "pm_card_us" => "4242424242424242",
        "pm_card_visa_debit" => "4000056655665556",
        "pm_card_mastercard" => "5555555555554444",
        "pm_card_amex" => "378282246310005",
        "pm_card_chargeDeclined" | "pm_card_visa_chargeDeclined" => "4000000000000002",
        "pm_card_chargeDeclinedInsufficientFunds" | "pm_card_visa_chargeDeclinedInsufficientFunds" => {
            "4000000000009995"
        }
        "pm_card_chargeDeclinedLostCard" | "pm_card_visa_chargeDeclinedLostCard" => "4000000000009987",
        "pm_card_chargeDeclinedStolenCard" | "pm_card_visa_chargeDeclinedStolenCard" => "4000000000009979",
        "pm_card_chargeDeclinedExpiredCard" => "4000000000000069",
        "pm_card_chargeDeclinedIncorrectCvc" => "4000000000000127",
        "pm_card_chargeDeclinedProcessingError" => "4000000000000119",
        "pm_card_chargeCustomerFail" => "4000000000000341",
        "pm_card_authenticationRequired" => "4000002760003184",
        "pm_card_authenticationRequiredOnSetup" => "4000002500003155",
        "pm_card_authenticationRequiredChargeDeclinedInsufficientFunds" => "4000008260003178",
        "pm_card_createDispute" => "4000000000000259",
        "pm_card_createIssuerFraudRecord" => "4000000000005423",
        "pm_card_refundFail" => "4000000000005126",
        _ => {
            let iban = match id {
                "pm_success_de" | "pm_sepaDebit_success" => "DE89370400440532013000",
                "pm_failed_de" | "pm_sepaDebit_fail" => "DE62370400440532013001",
                "pm_success_at" => "AT611904300234573201",
                "pm_failed_at" => "AT861904300235473202",
                _ => return None,
            };
            return Some(PaidBy::sepa(iban).method());
        }
    };
    Some(PaidBy::card(number).method())
}

fn card(number: &str) -> Outcome<Value> {
    let wrong = || StripeError::declined("incorrect_number", "", "Your card number is incorrect.").undone();
    if !(13..=19).contains(&number.len()) || !is_luhn(number) {
        return Err(wrong());
    }
    let brand = match number.as_bytes() {
        [b'4', ..] => "visa",
        [b'5', ..] | [b'2', ..] => "mastercard",
        [b'3', ..] => "amex",
        _ => return Err(wrong()),
    };
    Ok(json!({
        "type": "card",
        "card": {
            "brand": brand,
            "checks": { "address_line1_check": null, "address_postal_code_check": null, "cvc_check": "pass" },
            "country": "FR", "display_brand": brand, "exp_month": 12, "exp_year": 2034,
            "fingerprint": fingerprint(number), "funding": "credit", "generated_from": null,
            "last4": number[number.len() - 4..].to_owned(),
            "networks": { "available": [brand], "preferred": null },
            "three_d_secure_usage": { "supported": true }, "wallet": null,
        },
        "_number": number,
    }))
}

fn sepa(iban: &str) -> Outcome<Value> {
    let right = (15..=34).contains(&iban.len())
        && iban.bytes().take(2).all(|letter| letter.is_ascii_uppercase())
        && iban.bytes().all(|letter| letter.is_ascii_alphanumeric());
    if !right {
        return Err(StripeError::invalid(
            "invalid_bank_account_iban",
            "sepa_debit[iban]",
            "The IBAN you provided is invalid.",
        ));
    }
    Ok(json!({
        "type": "sepa_debit",
        "sepa_debit": {
            "bank_code": iban[4..12.min(iban.len())].to_owned(), "branch_code": "", "country": iban[..2].to_owned(),
            "fingerprint": fingerprint(iban), "generated_from": { "charge": null, "setup_attempt": null },
            "last4": iban[iban.len() - 4..].to_owned(),
        },
        "_number": iban,
    }))
}

fn is_luhn(number: &str) -> bool {
    let mut sum = 0;
    for (place, digit) in number.bytes().rev().enumerate() {
        if !digit.is_ascii_digit() {
            return false;
        }
        let digit = u32::from(digit - b'0') * if place % 2 == 1 { 2 } else { 1 };
        sum += digit / 10 + digit % 10;
    }
    sum % 10 == 0
}

fn fingerprint(number: &str) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, number.as_bytes());
    hex::encode(digest.as_ref()).chars().take(16).collect()
}

/// What becomes of an attempt to take money.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Attempt {
    /// It is there.
    Paid,
    /// It comes, or not, in some days.
    Coming { fails: bool },
    /// The bank wants the payer to confirm.
    Confirm,
    /// Code, decline code, message.
    Declined(&'static str, &'static str, &'static str),
}

/// The number behind a payment method.
fn number(method: &Value) -> &str {
    text(&method["_number"])
}

/// What a decline is called.
fn decline(number: &str) -> Option<Attempt> {
    let (code, decline_code, message) = match number {
        "4000000000000002" | "4000000000000341" => {
            ("card_declined", "generic_decline", "Your card was declined.")
        }
        "4000000000009995" => ("card_declined", "insufficient_funds", "Your card has insufficient funds."),
        "4000000000009987" => ("card_declined", "lost_card", "Your card was declined."),
        "4000000000009979" => ("card_declined", "stolen_card", "Your card was declined."),
        "4000000000000069" => ("expired_card", "", "Your card has expired."),
        "4000000000000127" => ("incorrect_cvc", "", "Your card's security code is incorrect."),
        "4000000000000119" => (
            "processing_error",
            "",
            "An error occurred while processing your card. Try again in a little bit.",
        ),
        _ => return None,
    };
    Some(Attempt::Declined(code, decline_code, message))
}

/// What becomes of charging a method; `confirmed` when the payer has just confirmed with the bank.
pub(super) fn charge(method: &Value, confirmed: bool) -> Attempt {
    let set_up = method["_set_up"] == true;
    match (text(&method["type"]), number(method)) {
        ("sepa_debit", iban) => {
            Attempt::Coming { fails: matches!(iban, "DE62370400440532013001" | "AT861904300235473202") }
        }
        (_, "4000008260003178") if confirmed => {
            Attempt::Declined("card_declined", "insufficient_funds", "Your card has insufficient funds.")
        }
        (_, "4000002760003184" | "4000008260003178") if !confirmed => Attempt::Confirm,
        (_, "4000002500003155") if !confirmed && !set_up => Attempt::Confirm,
        (_, number) => decline(number).unwrap_or(Attempt::Paid),
    }
}

/// What becomes of saving a method for later.
pub(super) fn save(method: &Value, confirmed: bool) -> Attempt {
    match number(method) {
        "4000002760003184" | "4000002500003155" | "4000008260003178" if !confirmed => Attempt::Confirm,
        // It attaches and fails later, which is what it is for.
        "4000000000000341" => Attempt::Paid,
        number => decline(number).unwrap_or(Attempt::Paid),
    }
}

/// The reason of the dispute that a charge of this method brings at once.
pub(super) fn disputes(method: &Value) -> Option<&'static str> {
    match number(method) {
        "4000000000000259" => Some("fraudulent"),
        "4000000000002685" => Some("product_not_received"),
        _ => None,
    }
}

/// Whether a charge of this method is soon reported as fraud.
pub(super) fn warns(method: &Value) -> bool {
    number(method) == "4000000000005423"
}

/// Whether a refund to this method fails later.
pub(super) fn refund_fails(method: &Value) -> bool {
    number(method) == "4000000000005126"
}

/// The last digits, for people.
pub(super) fn shown(method: &Value) -> String {
    let kind = text(&method["type"]);
    let last4 = some(&method[kind]["last4"]).unwrap_or_default();
    match some(&method["card"]["brand"]) {
        Some(brand) => format!("{brand} •••• {last4}"),
        None => format!("{} •••• {last4}", kind.replace('_', " ")),
    }
}
