//! The ledger: every movement of money as legs that balance, so that what we say we earned can be proved against what
//! Stripe says it holds.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Currency, Invoice, InvoiceStatus, Product};
use crate::{OrgId, Timestamp};

/// An account of the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LedgerAccount {
    /// What customers owe.
    Receivable,
    /// What we earned.
    Revenue,
    /// Tax that we took for the state.
    TaxPayable,
    /// What Stripe holds for us.
    StripeBalance,
    /// What Stripe keeps.
    Fees,
    /// What we earned and gave back.
    Refunds,
    /// What banks hold while payers dispute it.
    DisputesHeld,
    /// What payers disputed and got.
    DisputeLosses,
    /// What we owe customers as credit.
    CustomerCredit,
    /// What customers owed and will not pay.
    BadDebt,
    /// What came to our bank.
    Bank,
}

/// One side of a movement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Leg {
    /// The account.
    pub account: LedgerAccount,
    /// What comes to it; nothing for a credit.
    pub debit: i64,
    /// What goes from it; nothing for a debit.
    pub credit: i64,
}

/// A movement: its debits are its credits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Posting {
    /// What moved it, such as `in_1:paid`; the same source is posted once.
    pub source: String,
    /// Stripe's object.
    pub reference: String,
    /// Whose.
    pub org: OrgId,
    /// Of which product, if of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product: Option<Product>,
    /// When.
    pub at: Timestamp,
    /// In which currency.
    pub currency: Currency,
    /// Its sides.
    pub legs: Vec<Leg>,
}

/// What a movement is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Occasion {
    /// Stripe's object.
    pub reference: String,
    /// Whose.
    pub org: OrgId,
    /// Of which product, if of one.
    pub product: Option<Product>,
    /// When.
    pub at: Timestamp,
    /// In which currency.
    pub currency: Currency,
}

impl Occasion {
    /// An invoice is fixed: the customer owes it, and we have earned it, but for the tax.
    #[must_use]
    pub fn invoice_finalized(self, subtotal: i64, tax: i64) -> Posting {
        use LedgerAccount::{Receivable, Revenue, TaxPayable};
        self.post("finalized", &[(Receivable, subtotal + tax), (Revenue, -subtotal), (TaxPayable, -tax)])
    }

    /// Credit paid a part of an invoice.
    #[must_use]
    pub fn credit_applied(self, amount: i64) -> Posting {
        use LedgerAccount::{CustomerCredit, Receivable};
        self.post("credit_applied", &[(CustomerCredit, amount), (Receivable, -amount)])
    }

    /// Credit that paid a part of an invoice came back with it.
    #[must_use]
    pub fn credit_returned(self, amount: i64) -> Posting {
        use LedgerAccount::{CustomerCredit, Receivable};
        self.post("credit_returned", &[(CustomerCredit, -amount), (Receivable, amount)])
    }

    /// A customer was given credit, tax included, for what was invoiced.
    #[must_use]
    pub fn credit_granted(self, subtotal: i64, tax: i64) -> Posting {
        use LedgerAccount::{CustomerCredit, Refunds, TaxPayable};
        self.post(
            "credit_granted",
            &[(Refunds, subtotal), (TaxPayable, tax), (CustomerCredit, -subtotal - tax)],
        )
    }

    /// An invoice was paid, and Stripe kept its fee.
    #[must_use]
    pub fn invoice_paid(self, amount: i64, fee: i64) -> Posting {
        use LedgerAccount::{Fees, Receivable, StripeBalance};
        self.post("paid", &[(StripeBalance, amount - fee), (Fees, fee), (Receivable, -amount)])
    }

    /// An invoice was taken back.
    #[must_use]
    pub fn invoice_voided(self, subtotal: i64, tax: i64) -> Posting {
        use LedgerAccount::{Receivable, Revenue, TaxPayable};
        self.post("voided", &[(Revenue, subtotal), (TaxPayable, tax), (Receivable, -subtotal - tax)])
    }

    /// An invoice will not be paid.
    #[must_use]
    pub fn written_off(self, amount: i64) -> Posting {
        use LedgerAccount::{BadDebt, Receivable};
        self.post("written_off", &[(BadDebt, amount), (Receivable, -amount)])
    }

    /// An invoice that was written off was paid after all: it is owed again before it is paid.
    #[must_use]
    pub fn written_on(self, amount: i64) -> Posting {
        use LedgerAccount::{BadDebt, Receivable};
        self.post("written_on", &[(Receivable, amount), (BadDebt, -amount)])
    }

    /// Money went back to its payer, with the tax in it.
    #[must_use]
    pub fn refunded(self, amount: i64, tax: i64) -> Posting {
        use LedgerAccount::{Refunds, StripeBalance, TaxPayable};
        self.post("refunded", &[(Refunds, amount - tax), (TaxPayable, tax), (StripeBalance, -amount)])
    }

    /// A refund came back.
    #[must_use]
    pub fn refund_failed(self, amount: i64, tax: i64) -> Posting {
        use LedgerAccount::{Refunds, StripeBalance, TaxPayable};
        self.post("refund_failed", &[(StripeBalance, amount), (Refunds, tax - amount), (TaxPayable, -tax)])
    }

    /// The bank took back what the payer disputes, and Stripe a fee.
    #[must_use]
    pub fn dispute_opened(self, amount: i64, fee: i64) -> Posting {
        use LedgerAccount::{DisputesHeld, Fees, StripeBalance};
        self.post("dispute_opened", &[(DisputesHeld, amount), (Fees, fee), (StripeBalance, -amount - fee)])
    }

    /// The bank gave it back.
    #[must_use]
    pub fn dispute_won(self, amount: i64, fee: i64) -> Posting {
        use LedgerAccount::{DisputesHeld, Fees, StripeBalance};
        self.post("dispute_won", &[(StripeBalance, amount + fee), (DisputesHeld, -amount), (Fees, -fee)])
    }

    /// The bank keeps it.
    #[must_use]
    pub fn dispute_lost(self, amount: i64) -> Posting {
        use LedgerAccount::{DisputeLosses, DisputesHeld};
        self.post("dispute_lost", &[(DisputeLosses, amount), (DisputesHeld, -amount)])
    }

    /// Stripe paid out to our bank, or took from it what its balance lacked.
    #[must_use]
    pub fn paid_out(self, amount: i64) -> Posting {
        use LedgerAccount::{Bank, StripeBalance};
        self.post("paid_out", &[(Bank, amount), (StripeBalance, -amount)])
    }

    fn post(self, what: &str, sides: &[(LedgerAccount, i64)]) -> Posting {
        let leg = |(account, signed): &(LedgerAccount, i64)| Leg {
            account: *account,
            debit: (*signed).max(0),
            credit: signed.saturating_neg().max(0),
        };
        let legs = sides.iter().filter(|(_, signed)| *signed != 0).map(leg).collect();
        let Self { reference, org, product, at, currency } = self;
        Posting { source: format!("{reference}:{what}"), reference, org, product, at, currency, legs }
    }
}

impl Posting {
    /// Whether its debits are its credits.
    #[must_use]
    pub fn is_balanced(&self) -> bool {
        self.legs.iter().map(Leg::signed).sum::<i128>() == 0
    }
}

impl Leg {
    /// What the account has more than before; negative for less.
    #[must_use]
    pub fn signed(&self) -> i128 {
        i128::from(self.debit) - i128::from(self.credit)
    }
}

/// The movements of an invoice since it was last seen. `credit` is what of it the customer's credit paid, `fee` what Stripe
/// kept of the payment.
#[must_use]
pub fn of_invoice(previous: Option<&Invoice>, next: &Invoice, credit: i64, fee: i64) -> Vec<Posting> {
    let occasion = |at: Timestamp| Occasion {
        reference: next.id.clone(),
        org: next.org,
        product: next.product,
        at,
        currency: next.total.currency,
    };
    let (tax, subtotal) = (next.tax.minor, next.total.minor - next.tax.minor);
    let before = previous.map(|previous| &previous.status);
    let is_new = |status: &InvoiceStatus| next.status == *status && before != Some(status);
    let mut postings = Vec::new();
    let Some(finalized_at) = next.finalized_at else { return postings };
    if previous.is_none_or(|previous| previous.finalized_at.is_none()) {
        postings.push(occasion(finalized_at).invoice_finalized(subtotal, tax));
        postings.push(occasion(finalized_at).credit_applied(credit));
    }
    if is_new(&InvoiceStatus::Paid) {
        let at = next.paid_at.unwrap_or(finalized_at);
        if before == Some(&InvoiceStatus::Uncollectible) {
            postings.push(occasion(at).written_on(next.paid.minor));
        }
        postings.push(occasion(at).invoice_paid(next.paid.minor, fee));
    }
    if is_new(&InvoiceStatus::Void) {
        postings.push(occasion(finalized_at).invoice_voided(subtotal, tax));
        postings.push(occasion(finalized_at).credit_returned(credit));
    }
    if is_new(&InvoiceStatus::Uncollectible) {
        postings.push(occasion(finalized_at).written_off(next.remaining.minor));
    }
    postings.retain(|posting| !posting.legs.is_empty());
    postings
}

/// What each account holds of each currency: debits less credits.
#[must_use]
pub fn balances<'a>(
    postings: impl IntoIterator<Item = &'a Posting>,
) -> BTreeMap<(LedgerAccount, Currency), i128> {
    let mut balances = BTreeMap::new();
    for posting in postings {
        for leg in &posting.legs {
            *balances.entry((leg.account, posting.currency)).or_default() += leg.signed();
        }
    }
    balances
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::billing::refund::Charge;
    use crate::billing::{Money, money::round_half_up};

    fn occasion(reference: &str, currency: Currency) -> Occasion {
        Occasion {
            reference: reference.to_owned(),
            org: OrgId::from_ulid(1),
            product: Some(Product::Hosting),
            at: Timestamp::from_secs(1),
            currency,
        }
    }

    #[test]
    fn an_invoice_with_tax_that_is_paid_and_refunded_in_part() {
        let of = |what: &str| occasion(what, Currency::EUR);
        let postings = [
            of("in_1").invoice_finalized(10_000, 1_900),
            of("in_1").invoice_paid(11_900, 375),
            of("re_1").refunded(1_190, 190),
            of("po_1").paid_out(5_000),
        ];
        let balances = balances(&postings);
        let held = |account| balances.get(&(account, Currency::EUR)).copied().unwrap_or(0);
        assert_eq!(held(LedgerAccount::Receivable), 0);
        assert_eq!(held(LedgerAccount::Revenue), -10_000);
        assert_eq!(held(LedgerAccount::Refunds), 1_000);
        assert_eq!(held(LedgerAccount::TaxPayable), -1_710);
        assert_eq!(held(LedgerAccount::StripeBalance), 11_900 - 375 - 1_190 - 5_000);
        assert_eq!(postings[1].source, "in_1:paid");
        assert_eq!(postings[3].legs[0], Leg { account: LedgerAccount::Bank, debit: 5_000, credit: 0 });
    }

    /// What may become of one invoice.
    #[derive(Debug, Clone)]
    enum Happening {
        Finalize { subtotal: i64, tax_rate: i64 },
        Credit(i64),
        Pay { fee: i64 },
        Void,
        WriteOff,
        Refund { part: i64, fails: bool },
        Dispute { fee: i64, won: bool },
        PayOut(i64),
    }

    fn happening() -> impl Strategy<Value = Happening> {
        prop_oneof![
            4 => (0..5_000_000_i64, 0..28_i64)
                    .prop_map(|(subtotal, tax_rate)| Happening::Finalize { subtotal, tax_rate }),
            1 => (1..100_000_i64).prop_map(Happening::Credit),
            4 => (0..5_000_i64).prop_map(|fee| Happening::Pay { fee }),
            1 => Just(Happening::Void),
            1 => Just(Happening::WriteOff),
            2 => (1..3_000_000_i64, any::<bool>()).prop_map(|(part, fails)| Happening::Refund { part, fails }),
            1 => (0..2_000_i64, any::<bool>()).prop_map(|(fee, won)| Happening::Dispute { fee, won }),
            1 => (1..1_000_000_i64).prop_map(Happening::PayOut),
        ]
    }

    /// An invoice that is open or paid, with the tax in it.
    struct Open {
        name: String,
        subtotal: i64,
        tax: i64,
        credited: i64,
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]

        /// I7 and I9 over ten thousand histories: every posting balances, so does the whole, Stripe's balance is what
        /// Stripe moved, nobody owes once every invoice has an end, and no more goes back than was paid.
        #[test]
        fn every_history_balances(history in prop::collection::vec(happening(), 0..40), euro in any::<bool>()) {
            let currency = if euro { Currency::EUR } else { Currency::USD };
            let of = |what: &str| occasion(what, currency);
            let mut postings: Vec<Posting> = Vec::new();
            let mut open: Vec<Open> = Vec::new();
            let mut charges: Vec<Charge> = Vec::new();
            let (mut at_stripe, mut credit) = (0_i64, 0_i64);
            for (number, happening) in history.into_iter().enumerate() {
                match happening {
                    Happening::Finalize { subtotal, tax_rate } => {
                        let tax = round_half_up(i128::from(subtotal) * i128::from(tax_rate), 100);
                        let name = format!("in_{number}");
                        postings.push(of(&name).invoice_finalized(subtotal, tax));
                        let credited = credit.min(subtotal + tax);
                        credit -= credited;
                        postings.push(of(&name).credit_applied(credited));
                        open.push(Open { name, subtotal, tax, credited });
                    }
                    Happening::Credit(amount) => {
                        credit += amount;
                        postings.push(of(&format!("cn_{number}")).credit_granted(amount, 0));
                    }
                    Happening::Pay { fee } => if let Some(invoice) = open.pop() {
                        let amount = invoice.subtotal + invoice.tax - invoice.credited;
                        let fee = fee.min(amount);
                        postings.push(of(&invoice.name).invoice_paid(amount, fee));
                        at_stripe += amount - fee;
                        let amount = Money::new(amount, currency);
                        let charge = Charge {
                            id: invoice.name.clone(), org: OrgId::from_ulid(1), product: None, invoice: invoice.name,
                            amount, tax: invoice.tax, refunded: 0, disputed: 0, reserved: BTreeMap::new(),
                        };
                        charges.push(charge);
                    },
                    Happening::Void => if let Some(invoice) = open.pop() {
                        postings.push(of(&invoice.name).invoice_voided(invoice.subtotal, invoice.tax));
                        credit += invoice.credited;
                        postings.push(of(&invoice.name).credit_returned(invoice.credited));
                    },
                    Happening::WriteOff => if let Some(invoice) = open.pop() {
                        let owed = invoice.subtotal + invoice.tax - invoice.credited;
                        postings.push(of(&invoice.name).written_off(owed));
                    },
                    Happening::Refund { part, fails } => if let Some(charge) = charges.last_mut()
                        && let Ok(asked) = charge.refund("a", part) {
                        let of_tax = charge.tax_in(part);
                        let name = format!("re_{number}");
                        postings.push(of(&name).refunded(part, of_tax));
                        at_stripe -= part;
                        let before = charge.refunded;
                        *charge = asked.release("a").refunded(before + part);
                        if fails {
                            postings.push(of(&name).refund_failed(part, of_tax));
                            at_stripe += part;
                            *charge = charge.refunded(before);
                        }
                    },
                    Happening::Dispute { fee, won } => if let Some(charge) = charges.last_mut()
                        && charge.disputed == 0 {
                        *charge = charge.disputed(charge.amount.minor);
                        let (name, amount) = (format!("dp_{number}"), charge.disputed);
                        postings.push(of(&name).dispute_opened(amount, fee));
                        at_stripe -= amount + fee;
                        if won {
                            postings.push(of(&name).dispute_won(amount, fee));
                            at_stripe += amount + fee;
                            *charge = charge.disputed(0);
                        } else {
                            postings.push(of(&name).dispute_lost(amount));
                        }
                    },
                    Happening::PayOut(amount) => {
                        postings.push(of(&format!("po_{number}")).paid_out(amount));
                        at_stripe -= amount;
                    }
                }
                for charge in &charges {
                    prop_assert!(charge.refunded + charge.disputed <= charge.amount.minor);
                }
            }
            for posting in &postings {
                prop_assert!(posting.is_balanced(), "{posting:?}");
                prop_assert!(posting.legs.iter().all(|leg| leg.debit >= 0 && leg.credit >= 0));
                prop_assert!(posting.legs.iter().all(|leg| (leg.debit == 0) != (leg.credit == 0)));
            }
            let balances = balances(&postings);
            prop_assert_eq!(balances.values().sum::<i128>(), 0);
            let held = |account| balances.get(&(account, currency)).copied().unwrap_or(0);
            let owed: i64 = open.iter().map(|one| one.subtotal + one.tax - one.credited).sum();
            prop_assert_eq!(held(LedgerAccount::StripeBalance), i128::from(at_stripe));
            prop_assert_eq!(held(LedgerAccount::Receivable), i128::from(owed));
            prop_assert_eq!(held(LedgerAccount::CustomerCredit), -i128::from(credit));
            prop_assert_eq!(held(LedgerAccount::DisputesHeld), 0);
        }
    }
}
