//! Products and prices.

use serde_json::{Value, json};

use super::error::{Outcome, StripeError};
use super::routes::{Call, Route, delete, get, page, post, search};
use super::turn::Turn;
use super::value::{copy, int, is, list, merge_metadata, metadata, some, text};

const NEW_PRODUCT: &str = "id name! active:bool description metadata:map images[] marketing_features[]{name!}
    statement_descriptor tax_code unit_label url shippable:bool
    default_price_data{currency! unit_amount:int unit_amount_decimal:decimal tax_behavior:inclusive|exclusive|unspecified
        recurring{interval!:day|week|month|year interval_count:int} metadata:map}";
const NEW_PRICE: &str = "currency! active:bool billing_scheme:per_unit|tiered lookup_key metadata:map nickname product
    product_data{id name! active:bool metadata:map statement_descriptor tax_code unit_label}
    recurring{interval!:day|week|month|year interval_count:int meter trial_period_days:int usage_type:licensed|metered}
    tax_behavior:inclusive|exclusive|unspecified transfer_lookup_key:bool unit_amount:int unit_amount_decimal:decimal
    tiers[]{up_to! flat_amount:int flat_amount_decimal:decimal unit_amount:int unit_amount_decimal:decimal}
    tiers_mode:graduated|volume transform_quantity{divide_by!:int round!:up|down}";

pub(super) const ROUTES: &[Route] = &[
    post("/v1/products", NEW_PRODUCT, create_product),
    get("/v1/products", "active:bool created:range ids[] shippable:bool url", |turn, call| {
        let ids = list(&call.given["ids"]);
        page(turn, call, "product", |product| {
            (ids.is_empty() || ids.contains(&product["id"]))
                && call.given["active"].as_bool().is_none_or(|active| product["active"] == active)
        })
    }),
    get("/v1/products/search", "query!", |turn, call| search(turn, call, "product")),
    get("/v1/products/{id}", "", |turn, call| turn.must("product", call.id(), "id")),
    post(
        "/v1/products/{id}",
        "active:bool default_price description metadata:map name images[] marketing_features[]{name!}
         statement_descriptor tax_code unit_label url shippable:bool",
        update_product,
    ),
    delete("/v1/products/{id}", "", |turn, call| {
        turn.must("product", call.id(), "id")?;
        if turn.all("price").iter().any(|price| price["product"] == call.id()) {
            return Err(StripeError::refused(
                "This product cannot be deleted because it has one or more user-created prices.",
            ));
        }
        turn.event("product.deleted", call.id());
        turn.remove("product", call.id());
        Ok(json!({ "id": call.id(), "object": "product", "deleted": true }))
    }),
    post("/v1/prices", NEW_PRICE, create_price),
    get(
        "/v1/prices",
        "active:bool created:range currency lookup_keys[] product type:one_time|recurring
         recurring{interval:day|week|month|year meter usage_type:licensed|metered}",
        list_prices,
    ),
    get("/v1/prices/search", "query!", |turn, call| search(turn, call, "price")),
    get("/v1/prices/{id}", "", |turn, call| turn.must("price", call.id(), "id")),
    post(
        "/v1/prices/{id}",
        "active:bool lookup_key metadata:map nickname tax_behavior:inclusive|exclusive|unspecified transfer_lookup_key:bool",
        update_price,
    ),
];

fn create_product(turn: &mut Turn<'_>, call: &Call) -> Outcome<Value> {
    let product = new_product(turn, &call.given)?;
    if let Some(data) = call.given.get("default_price_data") {
        let mut given = data.clone();
        given["product"] = product["id"].clone();
        let price = new_price(turn, &given)?;
        turn.edit("product", text(&product["id"]), |product| {
            product["default_price"] = price["id"].clone();
        });
    }
    turn.must("product", text(&product["id"]), "id")
}

fn new_product(turn: &mut Turn<'_>, given: &Value) -> Outcome<Value> {
    let mut product = json!({
        "active": true, "default_price": null, "description": null, "images": [],
        "marketing_features": [], "metadata": metadata(given), "name": null, "package_dimensions": null,
        "shippable": null, "statement_descriptor": null, "tax_code": null, "unit_label": null,
        "updated": turn.now, "url": null,
    });
    copy(&mut product, given, PRODUCT_FIELDS);
    let product = match some(&given["id"]) {
        Some(id) if turn.get("product", id).is_some() => {
            return Err(StripeError::invalid(
                "resource_already_exists",
                "id",
                format!("Product already exists: {id}"),
            ));
        }
        Some(id) => turn.make_as("product", id, product),
        None => turn.make("product", "prod_", product),
    };
    // A product may have any id, so its event cannot find it by a prefix.
    turn.event_of("product.created", super::value::public(&product));
    Ok(product)
}

const PRODUCT_FIELDS: &[&str] = &[
    "active",
    "description",
    "name",
    "images",
    "marketing_features",
    "statement_descriptor",
    "tax_code",
    "unit_label",
    "url",
    "shippable",
];

fn update_product(turn: &mut Turn<'_>, call: &Call) -> Outcome<Value> {
    let mut product = turn.must("product", call.id(), "id")?;
    copy(&mut product, &call.given, PRODUCT_FIELDS);
    if let Some(price) = some(&call.given["default_price"]) {
        if turn.must("price", price, "default_price")?["product"] != call.id() {
            return Err(StripeError::invalid("", "default_price", "The price belongs to another product."));
        }
        product["default_price"] = price.into();
    }
    merge_metadata(&mut product, &call.given);
    product["updated"] = turn.now.into();
    turn.put(&product);
    turn.event("product.updated", call.id());
    Ok(product)
}

fn create_price(turn: &mut Turn<'_>, call: &Call) -> Outcome<Value> {
    new_price(turn, &call.given)
}

fn new_price(turn: &mut Turn<'_>, given: &Value) -> Outcome<Value> {
    let currency = text(&given["currency"]);
    check_currency(currency)?;
    let product = match (some(&given["product"]), given.get("product_data")) {
        (Some(product), None) => turn.must("product", product, "product")?,
        (None, Some(data)) => new_product(turn, data)?,
        _ => {
            return Err(StripeError::invalid(
                "parameter_missing",
                "product",
                "You must specify either `product` or `product_data` when creating a price.",
            ));
        }
    };
    let tiered = given["billing_scheme"] == "tiered";
    let (amount, decimal) = amounts(given, tiered)?;
    let recurring = recurring(turn, given)?;
    let price = json!({
        "active": given["active"].as_bool().unwrap_or(true),
        "billing_scheme": if tiered { "tiered" } else { "per_unit" },
        "currency": currency, "custom_unit_amount": null, "lookup_key": null,
        "metadata": metadata(given), "nickname": given["nickname"], "product": product["id"],
        "recurring": recurring,
        "tax_behavior": given["tax_behavior"].as_str().unwrap_or("unspecified"),
        "tiers_mode": given["tiers_mode"],
        "transform_quantity": given["transform_quantity"],
        "type": if recurring.is_null() { "one_time" } else { "recurring" },
        "unit_amount": amount, "unit_amount_decimal": decimal,
        "_tiers": tiers(given, tiered)?,
    });
    let mut price = turn.make("price", "price_", price);
    set_lookup_key(turn, &mut price, given)?;
    turn.put(&price);
    turn.event("price.created", text(&price["id"]));
    Ok(price)
}

fn amounts(given: &Value, tiered: bool) -> Outcome<(Value, Value)> {
    match (given["unit_amount"].as_i64(), some(&given["unit_amount_decimal"])) {
        (None, None) if tiered => Ok((Value::Null, Value::Null)),
        (Some(_), Some(_)) => Err(StripeError::refused(
            "You may only specify one of these parameters: unit_amount, unit_amount_decimal.",
        )),
        (Some(amount), None) if amount < 0 => Err(StripeError::invalid(
            "parameter_invalid_integer",
            "unit_amount",
            "This value must be greater than or equal to 0.",
        )),
        (Some(amount), None) => Ok((amount.into(), amount.to_string().into())),
        (None, Some(decimal)) => {
            let whole = decimal.parse::<i64>().map_or(Value::Null, Value::from);
            Ok((whole, decimal.into()))
        }
        (None, None) => Err(StripeError::invalid(
            "parameter_missing",
            "unit_amount",
            "Missing required param: unit_amount.",
        )),
    }
}

fn tiers(given: &Value, tiered: bool) -> Outcome<Value> {
    if !tiered {
        return Ok(Value::Null);
    }
    let tiers = list(&given["tiers"]);
    if tiers.is_empty()
        || given["tiers_mode"].is_null()
        || tiers.last().is_some_and(|last| last["up_to"] != "inf")
    {
        return Err(StripeError::invalid(
            "",
            "tiers",
            "A tiered price needs `tiers_mode` and `tiers`, of which the last is up to `inf`.",
        ));
    }
    let tier = |tier: &Value| {
        let decimal = |name: &str| tier[name].as_i64().map(|amount| amount.to_string());
        json!({
            "flat_amount": tier["flat_amount"],
            "flat_amount_decimal": decimal("flat_amount").or_else(|| some(&tier["flat_amount_decimal"]).map(str::to_owned)),
            "unit_amount": tier["unit_amount"],
            "unit_amount_decimal": decimal("unit_amount").or_else(|| some(&tier["unit_amount_decimal"]).map(str::to_owned)),
            "up_to": text(&tier["up_to"]).parse::<i64>().ok(),
        })
    };
    Ok(tiers.iter().map(tier).collect())
}

fn recurring(turn: &Turn<'_>, given: &Value) -> Outcome<Value> {
    let Some(recurring) = given.get("recurring").filter(|recurring| !recurring.is_null()) else {
        return Ok(Value::Null);
    };
    let metered = recurring["usage_type"] == "metered";
    match some(&recurring["meter"]) {
        Some(meter) => {
            let meter = turn.must("billing.meter", meter, "recurring[meter]")?;
            if !metered {
                return Err(StripeError::invalid(
                    "",
                    "recurring[meter]",
                    "A meter needs usage_type=metered.",
                ));
            }
            if meter["status"] != "active" {
                return Err(StripeError::invalid("", "recurring[meter]", "The meter is not active."));
            }
        }
        None if metered => {
            return Err(StripeError::invalid(
                "parameter_missing",
                "recurring[meter]",
                "Metered prices must be backed by a meter: missing required param recurring[meter].",
            ));
        }
        None => {}
    }
    Ok(json!({
        "interval": recurring["interval"],
        "interval_count": recurring["interval_count"].as_i64().unwrap_or(1),
        "meter": recurring["meter"],
        "trial_period_days": recurring["trial_period_days"],
        "usage_type": if metered { "metered" } else { "licensed" },
    }))
}

fn set_lookup_key(turn: &mut Turn<'_>, price: &mut Value, given: &Value) -> Outcome<()> {
    let Some(key) = given.get("lookup_key") else { return Ok(()) };
    if let Some(key) = some(key) {
        let other = turn.those("price", |other| other["lookup_key"] == key && other["id"] != price["id"]);
        if let Some(other) = other.first() {
            let id = text(&other["id"]);
            if !is(&given["transfer_lookup_key"]) {
                let message = format!(
                    "A price (`{id}`) already uses that lookup key. Pass `transfer_lookup_key` to move it."
                );
                return Err(StripeError::invalid("", "lookup_key", message));
            }
            turn.edit("price", id, |other| other["lookup_key"] = Value::Null);
            turn.event("price.updated", id);
        }
    }
    price["lookup_key"] = key.clone();
    Ok(())
}

fn list_prices(turn: &mut Turn<'_>, call: &Call) -> Outcome<Value> {
    let given = &call.given;
    let keys = list(&given["lookup_keys"]);
    if keys.len() > 10 {
        return Err(StripeError::invalid("", "lookup_keys", "You may give up to 10 lookup keys."));
    }
    page(turn, call, "price", |price| {
        let same = |name: &str| some(&given[name]).is_none_or(|wanted| price[name] == wanted);
        let recurs = |name: &str| {
            some(&given["recurring"][name]).is_none_or(|wanted| price["recurring"][name] == wanted)
        };
        (keys.is_empty() || keys.contains(&price["lookup_key"]))
            && given["active"].as_bool().is_none_or(|active| price["active"] == active)
            && ["currency", "product", "type"].into_iter().all(same)
            && ["interval", "meter", "usage_type"].into_iter().all(recurs)
    })
}

fn update_price(turn: &mut Turn<'_>, call: &Call) -> Outcome<Value> {
    let mut price = turn.must("price", call.id(), "id")?;
    if call.has("tax_behavior")
        && price["tax_behavior"] != "unspecified"
        && price["tax_behavior"] != call.given["tax_behavior"]
    {
        return Err(StripeError::invalid(
            "",
            "tax_behavior",
            "The tax behavior cannot be changed once it is set.",
        ));
    }
    copy(&mut price, &call.given, &["active", "nickname", "tax_behavior"]);
    merge_metadata(&mut price, &call.given);
    set_lookup_key(turn, &mut price, &call.given)?;
    turn.put(&price);
    turn.event("price.updated", call.id());
    Ok(price)
}

/// # Errors
/// When that is no currency.
pub(super) fn check_currency(currency: &str) -> Outcome<()> {
    if currency.len() == 3 && currency.bytes().all(|letter| letter.is_ascii_lowercase()) {
        return Ok(());
    }
    Err(StripeError::invalid("", "currency", format!("Invalid currency: {currency}")))
}

/// What so many units cost, in minor units, rounded half up once.
pub(super) fn amount(price: &Value, quantity: i64) -> i64 {
    let quantity = match price["transform_quantity"]["divide_by"].as_i64() {
        Some(by) if price["transform_quantity"]["round"] == "up" => {
            quantity.div_euclid(by) + i64::from(quantity % by != 0)
        }
        Some(by) => quantity.div_euclid(by),
        None => quantity,
    };
    let sum: i128 = if price["billing_scheme"] == "tiered" {
        tiered(price, quantity)
    } else {
        pico(text(&price["unit_amount_decimal"])) * i128::from(quantity)
    };
    i64::try_from((sum + PICO / 2).div_euclid(PICO)).unwrap_or(i64::MAX)
}

/// A minor unit in the smallest part that Stripe's decimals can name.
const PICO: i128 = 1_000_000_000_000;

fn tiered(price: &Value, quantity: i64) -> i128 {
    let tiers = list(&price["_tiers"]);
    let cost = |tier: &Value, units: i64| {
        pico(text(&tier["unit_amount_decimal"])) * i128::from(units)
            + pico(text(&tier["flat_amount_decimal"]))
    };
    if price["tiers_mode"] == "volume" {
        let fits = |tier: &&Value| tier["up_to"].as_i64().is_none_or(|end| quantity <= end);
        return tiers.iter().find(fits).map_or(0, |tier| cost(tier, quantity));
    }
    let (mut sum, mut done) = (0, 0);
    for tier in tiers {
        let end = tier["up_to"].as_i64().unwrap_or(i64::MAX);
        let units = quantity.min(end) - done;
        if units <= 0 && done > 0 {
            break;
        }
        sum += cost(tier, units.max(0));
        done = quantity.min(end);
        if quantity <= end {
            break;
        }
    }
    sum
}

fn pico(decimal: &str) -> i128 {
    let (whole, part) = decimal.split_once('.').unwrap_or((decimal, ""));
    let part: String = part.chars().chain(std::iter::repeat('0')).take(12).collect();
    whole.parse::<i128>().unwrap_or(0) * PICO + part.parse::<i128>().unwrap_or(0)
}

/// Whether usage decides what a price costs.
pub(super) fn is_metered(price: &Value) -> bool {
    price["recurring"]["usage_type"] == "metered"
}

/// The name of a price's product, for a line of an invoice.
pub(super) fn product_name(turn: &Turn<'_>, price: &Value) -> String {
    text(&turn.of("product", &price["product"])["name"]).to_owned()
}

/// The length of a price's period in days, roughly: to see which interval differs.
pub(super) fn same_interval(one: &Value, other: &Value) -> bool {
    let (one, other) = (&one["recurring"], &other["recurring"]);
    one["interval"] == other["interval"] && int(&one["interval_count"]) == int(&other["interval_count"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_rounded_once() {
        let price = json!({ "unit_amount_decimal": "0.125" });
        assert_eq!([1, 4, 12].map(|quantity| amount(&price, quantity)), [0, 1, 2]);
        let tiers = json!([
            { "up_to": 100, "unit_amount_decimal": "0", "flat_amount_decimal": "500" },
            { "up_to": null, "unit_amount_decimal": "2" }
        ]);
        let graduated = json!({ "billing_scheme": "tiered", "tiers_mode": "graduated", "_tiers": tiers });
        assert_eq!([0, 100, 110].map(|quantity| amount(&graduated, quantity)), [500, 500, 520]);
        let volume = json!({ "billing_scheme": "tiered", "tiers_mode": "volume", "_tiers": tiers });
        assert_eq!([50, 110].map(|quantity| amount(&volume, quantity)), [500, 220]);
    }
}
