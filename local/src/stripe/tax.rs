//! Stripe Tax as a small table: the seller is in France, prices are net unless they say otherwise.

use serde_json::{Value, json};

use super::error::{Outcome, StripeError};
use super::turn::Turn;
use super::value::{is, share, some, text};

/// Where the seller is.
const SELLER: &str = "FR";

/// Standard rates in tenths of a percent. Elsewhere the seller is not registered.
const RATES: &[(&str, i64, &str)] = &[
    ("AT", 200, "MwSt"),
    ("BE", 210, "TVA"),
    ("BG", 200, "VAT"),
    ("CY", 190, "VAT"),
    ("CZ", 210, "DPH"),
    ("DE", 190, "MwSt"),
    ("DK", 250, "Moms"),
    ("EE", 240, "VAT"),
    ("ES", 210, "IVA"),
    ("FI", 255, "ALV"),
    ("FR", 200, "TVA"),
    ("GR", 240, "VAT"),
    ("HR", 250, "PDV"),
    ("HU", 270, "AFA"),
    ("IE", 230, "VAT"),
    ("IT", 220, "IVA"),
    ("LT", 210, "PVM"),
    ("LU", 170, "TVA"),
    ("LV", 210, "PVN"),
    ("MT", 180, "VAT"),
    ("NL", 210, "BTW"),
    ("PL", 230, "VAT"),
    ("PT", 230, "IVA"),
    ("RO", 210, "TVA"),
    ("SE", 250, "Moms"),
    ("SI", 220, "DDV"),
    ("SK", 230, "DPH"),
    ("GB", 200, "VAT"),
    ("CH", 81, "VAT"),
];
/// The table's entries that are no members of the Union.
const OUTSIDE: [&str; 2] = ["GB", "CH"];

/// What tax is due on what one customer buys.
#[derive(Debug, Clone)]
pub(super) struct Tax {
    country: String,
    /// Tenths of a percent.
    rate: i64,
    name: &'static str,
    reason: &'static str,
}

impl Tax {
    /// The tax of a customer; none when the location is not known.
    pub(super) fn of(turn: &Turn<'_>, customer: &Value) -> Option<Self> {
        let country = some(&customer["address"]["country"])?.to_owned();
        let entry = RATES.iter().find(|(code, ..)| *code == country);
        let Some((_, rate, name)) = entry else {
            return Some(Self { country, rate: 0, name: "Tax", reason: "not_collecting" });
        };
        let union = !OUTSIDE.contains(&country.as_str());
        let business = turn.all("tax_id").into_iter().any(|tax_id| {
            tax_id["customer"] == customer["id"]
                && tax_id["type"] == "eu_vat"
                && matches!(text(&tax_id["verification"]["status"]), "verified" | "pending")
        });
        let (rate, reason) = match text(&customer["tax_exempt"]) {
            "exempt" => (0, "customer_exempt"),
            "reverse" => (0, "reverse_charge"),
            _ if union && business && country != SELLER => (0, "reverse_charge"),
            _ => (*rate, "standard_rated"),
        };
        Some(Self { country, rate, name, reason })
    }

    /// The tax of one line, and whether it comes on top.
    pub(super) fn on(&self, amount: i64, behavior: &str) -> (i64, bool) {
        if behavior == "inclusive" {
            return (share(amount, self.rate, 1_000 + self.rate), false);
        }
        (share(amount, self.rate, 1_000), true)
    }

    /// The `taxes` of one line.
    pub(super) fn told(&self, amount: i64, behavior: &str) -> Value {
        let (tax, on_top) = self.on(amount, behavior);
        json!([{
            "amount": tax,
            "tax_behavior": if on_top { "exclusive" } else { "inclusive" },
            "tax_rate_details": { "tax_rate": format!("txr_local_{}_{}", self.country.to_lowercase(), self.name) },
            "taxability_reason": self.reason,
            "taxable_amount": if on_top { amount } else { amount - tax },
            "type": "tax_rate_details",
        }])
    }

    pub(super) fn is_reverse_charge(&self) -> bool {
        self.reason == "reverse_charge"
    }
}

/// Whether the customer's address is enough for a tax.
pub(super) fn is_located(customer: &Value) -> bool {
    some(&customer["address"]["country"]).is_some()
}

/// What Stripe knows of where a customer is taxed.
pub(super) fn of_customer(customer: &Value) -> Value {
    let country = some(&customer["address"]["country"]);
    let taxed = country.is_some_and(|country| RATES.iter().any(|(code, ..)| *code == country));
    let status = match country {
        None => "unrecognized_location",
        Some(_) if taxed => "supported",
        Some(_) => "not_collecting",
    };
    let location = country.map(|country| {
        json!({ "country": country, "source": "billing_address", "state": customer["address"]["state"] })
    });
    json!({ "automatic_tax": status, "ip_address": null, "location": location, "provider": "stripe" })
}

/// Refuses automatic tax for somebody whose location is not known.
pub(super) fn no_location() -> StripeError {
    StripeError::invalid(
        "customer_tax_location_invalid",
        "customer",
        "The customer's location isn't recognized. Set a valid customer address in order to automatically calculate tax.",
    )
}

/// # Errors
/// [`no_location`], when tax is to be automatic.
pub(super) fn check_location(automatic: &Value, customer: &Value) -> Outcome<()> {
    if is(&automatic["enabled"]) && !is_located(customer) { Err(no_location()) } else { Ok(()) }
}

/// # Errors
/// When that is no country code.
pub(super) fn check_country(country: &str, param: &str) -> Outcome<()> {
    if country.len() == 2 && country.bytes().all(|letter| letter.is_ascii_uppercase()) {
        return Ok(());
    }
    Err(StripeError::invalid(
        "country_code_invalid",
        param,
        format!(
            "Country '{country}' is unknown. Try using a 2-character alphanumeric country code instead, such as 'US', 'EG', or 'GB'."
        ),
    ))
}

/// The country of a well-formed tax id.
///
/// # Errors
/// `tax_id_invalid`, also of a type that is not played.
pub(super) fn check_id(kind: &str, value: &str) -> Outcome<Value> {
    let invalid = || StripeError::invalid("tax_id_invalid", "value", format!("Invalid value for {kind}."));
    match kind {
        "eu_vat" => {
            let (country, rest) = value.split_at_checked(2).ok_or_else(invalid)?;
            let code = if country == "EL" { "GR" } else { country };
            let known = RATES.iter().any(|(known, ..)| *known == code) && !OUTSIDE.contains(&code);
            let length = match country {
                "DE" | "EE" | "EL" | "PT" => 9..=9,
                "FR" | "IT" | "HR" | "LV" => 11..=11,
                "AT" => 9..=9,
                "BE" | "PL" | "SK" => 10..=10,
                "ES" | "CY" => 9..=9,
                "DK" | "FI" | "HU" | "LU" | "MT" | "SI" => 8..=8,
                "NL" | "SE" => 12..=12,
                _ => 2..=12,
            };
            let right = known
                && length.contains(&rest.len())
                && rest.bytes().all(|letter| letter.is_ascii_digit() || letter.is_ascii_uppercase())
                && rest.bytes().any(|letter| letter.is_ascii_digit());
            if right { Ok(code.into()) } else { Err(invalid()) }
        }
        "gb_vat" | "ch_vat" | "us_ein" | "no_vat" if value.len() >= 8 => {
            Ok(kind.split('_').next().unwrap_or_default().to_uppercase().into())
        }
        "gb_vat" | "ch_vat" | "us_ein" | "no_vat" => Err(invalid()),
        _ => Err(StripeError::invalid("tax_id_invalid", "type", format!("Invalid type: {kind}"))),
    }
}

/// What the authority says of a well-formed id, by Stripe's test numbers.
pub(super) fn verification(value: &str) -> &'static str {
    if value.contains("111111111") {
        "unverified"
    } else if value.contains("222222222") {
        "pending"
    } else {
        "verified"
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn ids_are_checked_by_country() {
        assert_eq!(check_id("eu_vat", "DE000000000").unwrap(), "DE");
        for wrong in ["DE12", "XX123456789", "DEABCDEFGHI", ""] {
            assert!(check_id("eu_vat", wrong).is_err(), "{wrong}");
        }
        assert_eq!(verification("FR00111111111"), "unverified");
    }
}
