//! Money in integer minor units, and amounts of use in integer millionths. Nothing here is a float.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A currency: the three letters of ISO 4217 in Stripe's lower case.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 3]);

/// A text is no currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotACurrency;

/// Two amounts of different currencies were to be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CurrencyMismatch;

/// An amount of money, perhaps negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Money {
    /// In the currency's smallest unit.
    pub minor: i64,
    /// The currency.
    pub currency: Currency,
}

/// An amount of use in millionths of a unit.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct Micro(pub i64);

/// A text is no number with up to six decimals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotANumber;

impl Currency {
    /// The dollar of the United States.
    pub const USD: Self = Self(*b"usd");
    /// The euro.
    pub const EUR: Self = Self(*b"eur");

    /// The three letters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("xxx")
    }

    /// How many decimals its amounts have, as Stripe counts them.
    #[must_use]
    pub fn digits(self) -> u32 {
        match &self.0 {
            b"bif" | b"clp" | b"djf" | b"gnf" | b"jpy" | b"kmf" | b"krw" | b"mga" | b"pyg" | b"rwf"
            | b"vnd" | b"vuv" | b"xaf" | b"xof" | b"xpf" => 0,
            b"bhd" | b"jod" | b"kwd" | b"omr" | b"tnd" => 3,
            _ => 2,
        }
    }
}

impl Money {
    /// So many smallest units.
    #[must_use]
    pub const fn new(minor: i64, currency: Currency) -> Self {
        Self { minor, currency }
    }

    /// Nothing.
    #[must_use]
    pub const fn zero(currency: Currency) -> Self {
        Self { minor: 0, currency }
    }

    /// The sum.
    ///
    /// # Errors
    /// [`CurrencyMismatch`] for two currencies.
    pub fn plus(self, other: Self) -> Result<Self, CurrencyMismatch> {
        if self.currency != other.currency {
            return Err(CurrencyMismatch);
        }
        Ok(Self { minor: self.minor.saturating_add(other.minor), currency: self.currency })
    }

    /// The difference.
    ///
    /// # Errors
    /// [`CurrencyMismatch`] for two currencies.
    pub fn minus(self, other: Self) -> Result<Self, CurrencyMismatch> {
        self.plus(Self { minor: other.minor.saturating_neg(), ..other })
    }

    /// The amount in whole units with a point, such as `299.00`.
    #[must_use]
    pub fn decimal(self) -> String {
        let digits = self.currency.digits();
        let sign = if self.minor < 0 { "-" } else { "" };
        let (minor, unit) = (self.minor.unsigned_abs(), 10_u64.pow(digits));
        if digits == 0 {
            return format!("{sign}{minor}");
        }
        format!("{sign}{}.{:0width$}", minor / unit, minor % unit, width = digits as usize)
    }
}

impl fmt::Display for Money {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.decimal(), self.currency.as_str().to_uppercase())
    }
}

/// The quotient, rounded to the nearest; a half goes away from zero, as Stripe rounds its lines.
///
/// A denominator of zero gives zero: nothing is shared out over no time.
#[must_use]
pub fn round_half_up(numerator: i128, denominator: i128) -> i64 {
    if denominator == 0 {
        return 0;
    }
    let negative = (numerator < 0) != (denominator < 0);
    let (numerator, denominator) = (numerator.unsigned_abs(), denominator.unsigned_abs());
    let (whole, rest) = (numerator / denominator, numerator % denominator);
    let rounded = if rest >= denominator - rest { whole + 1 } else { whole };
    let rounded = i64::try_from(rounded).unwrap_or(i64::MAX);
    if negative { -rounded } else { rounded }
}

/// Shares an amount out by weights, to the last unit: what rounding leaves goes to the largest remainders, the first of
/// equals. Without any weight it all goes to the first.
#[must_use]
pub fn allocate(minor: i64, weights: &[u64]) -> Vec<i64> {
    let total: u128 = weights.iter().map(|weight| u128::from(*weight)).sum();
    if total == 0 {
        return weights.iter().enumerate().map(|(at, _)| if at == 0 { minor } else { 0 }).collect();
    }
    let amount = u128::from(minor.unsigned_abs());
    // An amount times a weight has at most 127 bits.
    let exact: Vec<(u128, u128)> = weights
        .iter()
        .map(|weight| amount * u128::from(*weight))
        .map(|product| (product / total, product % total))
        .collect();
    let mut left = amount - exact.iter().map(|(whole, _)| whole).sum::<u128>();
    let mut by_remainder: Vec<usize> = (0..exact.len()).collect();
    by_remainder.sort_by(|a, b| exact[*b].1.cmp(&exact[*a].1).then(a.cmp(b)));
    let mut shares: Vec<u128> = exact.iter().map(|(whole, _)| *whole).collect();
    for at in by_remainder {
        if left == 0 {
            break;
        }
        shares[at] += 1;
        left -= 1;
    }
    let signed = |share: u128| {
        let share = i128::try_from(share).unwrap_or(i128::MAX);
        i64::try_from(if minor < 0 { -share } else { share }).unwrap_or(minor)
    };
    shares.into_iter().map(signed).collect()
}

/// A fee of so many hundredths of a percent, and what is left of the amount. Together they are the amount.
#[must_use]
pub fn split_fee(minor: i64, basis_points: u32) -> (i64, i64) {
    let fee = round_half_up(i128::from(minor) * i128::from(basis_points), 10_000);
    (fee, minor - fee)
}

impl Micro {
    /// So many whole units.
    #[must_use]
    pub const fn whole(units: i64) -> Self {
        Self(units.saturating_mul(1_000_000))
    }

    /// What this much costs at so many smallest units of a currency a unit.
    #[must_use]
    pub fn times(self, unit_amount: Self) -> i64 {
        round_half_up(i128::from(self.0) * i128::from(unit_amount.0), 1_000_000_000_000)
    }
}

impl FromStr for Micro {
    type Err = NotANumber;

    fn from_str(text: &str) -> Result<Self, NotANumber> {
        let (whole, part) = text.split_once('.').unwrap_or((text, ""));
        let (negative, whole) = whole.strip_prefix('-').map_or((false, whole), |rest| (true, rest));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || part.len() > 6 || !digits(whole) || !digits(part) || text.ends_with('.') {
            return Err(NotANumber);
        }
        let micros = format!("{whole}{part:0<6}").parse::<i64>().map_err(|_| NotANumber)?;
        Ok(Self(if negative { -micros } else { micros }))
    }
}

impl fmt::Display for Micro {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let (whole, part) = (self.0.unsigned_abs() / 1_000_000, self.0.unsigned_abs() % 1_000_000);
        let part = format!("{part:06}");
        match part.trim_end_matches('0') {
            "" => write!(formatter, "{sign}{whole}"),
            part => write!(formatter, "{sign}{whole}.{part}"),
        }
    }
}

impl FromStr for Currency {
    type Err = NotACurrency;

    fn from_str(text: &str) -> Result<Self, NotACurrency> {
        match <[u8; 3]>::try_from(text.as_bytes()) {
            Ok(letters) if letters.iter().all(u8::is_ascii_lowercase) => Ok(Self(letters)),
            _ => Err(NotACurrency),
        }
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl fmt::Display for NotACurrency {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("expected a currency's three small letters, such as usd")
    }
}

impl fmt::Display for CurrencyMismatch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("amounts of two currencies have no sum")
    }
}

impl fmt::Display for NotANumber {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("expected a number with up to six decimals")
    }
}

impl std::error::Error for NotACurrency {}
impl std::error::Error for CurrencyMismatch {}
impl std::error::Error for NotANumber {}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<'de, str>::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for Currency {
    fn schema_name() -> Cow<'static, str> {
        "Currency".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": "^[a-z]{3}$"})
    }

    fn inline_schema() -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn amounts_are_written_with_their_currencys_decimals() {
        let written =
            |minor, currency: &str| Money::new(minor, currency.parse().expect("a currency")).to_string();
        assert_eq!(written(29_900, "usd"), "299.00 USD");
        assert_eq!(written(-5, "eur"), "-0.05 EUR");
        assert_eq!(written(500, "jpy"), "500 JPY");
        assert_eq!(written(1_234_567, "kwd"), "1234.567 KWD");
        for wrong in ["USD", "us", "usdt", "u$d", ""] {
            assert_eq!(wrong.parse::<Currency>(), Err(NotACurrency), "{wrong}");
        }
        let mixed = Money::new(1, Currency::USD).plus(Money::new(1, Currency::EUR));
        assert_eq!(mixed, Err(CurrencyMismatch));
    }

    #[test]
    fn a_half_goes_away_from_zero() {
        let cases =
            [(1, 2, 1), (-1, 2, -1), (3, 2, 2), (5, 4, 1), (-5, 4, -1), (7, 4, 2), (1, -2, -1), (4, 0, 0)];
        for (numerator, denominator, rounded) in cases {
            assert_eq!(round_half_up(numerator, denominator), rounded, "{numerator}/{denominator}");
        }
    }

    #[test]
    fn use_has_six_decimals_and_one_spelling() {
        for (text, micro) in [("1", 1_000_000), ("1.5", 1_500_000), ("-0.000001", -1), ("0", 0)] {
            assert_eq!(text.parse(), Ok(Micro(micro)));
            assert_eq!(Micro(micro).to_string(), text);
        }
        for wrong in ["", ".", "1.", ".5", "1.0000001", "1e3", "+1", "--1", "9223372036855"] {
            assert_eq!(wrong.parse::<Micro>(), Err(NotANumber), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn shares_are_the_amount(minor in any::<i64>(), weights in prop::collection::vec(0..u64::MAX, 1..12)) {
            let shares = allocate(minor, &weights);
            prop_assert_eq!(shares.iter().map(|share| i128::from(*share)).sum::<i128>(), i128::from(minor));
            prop_assert!(shares.iter().all(|share| *share == 0 || (*share < 0) == (minor < 0)));
        }

        #[test]
        fn equal_weights_differ_by_one_unit_at_most(minor in -1_000_000..1_000_000_i64, parts in 1..40_usize) {
            let shares = allocate(minor, &vec![1; parts]);
            let (least, most) = (shares.iter().min(), shares.iter().max());
            prop_assert!(most.zip(least).is_some_and(|(most, least)| most - least <= 1));
        }

        #[test]
        fn fee_and_rest_are_the_amount(minor in -1_000_000_000..1_000_000_000_i64, rate in 0..=10_000_u32) {
            let (fee, rest) = split_fee(minor, rate);
            prop_assert_eq!(fee + rest, minor);
            prop_assert!(fee.abs() <= minor.abs());
        }

        #[test]
        fn use_is_read_as_it_is_written(micro in any::<i64>()) {
            prop_assume!(micro != i64::MIN);
            prop_assert_eq!(Micro(micro).to_string().parse(), Ok(Micro(micro)));
        }
    }
}
