//! An invoice as a PDF of one page, enough to open and to attach.

use std::fmt::Write;

use serde_json::Value;

use super::super::lines::money;
use super::super::value::{int, list, some, text};

/// The document.
pub(super) fn of(invoice: &Value) -> String {
    let currency = text(&invoice["currency"]);
    let mut told = vec![
        format!("{}  Invoice {}", text(&invoice["account_name"]), text(&invoice["number"])),
        format!("{} {}", text(&invoice["customer_name"]), text(&invoice["customer_email"])),
        String::new(),
    ];
    for line in list(&invoice["lines"]) {
        told.push(format!("{}   {}", text(&line["description"]), money(int(&line["amount"]), currency)));
    }
    for tax in list(&invoice["total_taxes"]) {
        told.push(format!("Tax   {}", money(int(&tax["amount"]), currency)));
    }
    told.push(format!("Total   {}", money(int(&invoice["total"]), currency)));
    told.extend(some(&invoice["footer"]).map(str::to_owned));
    let mut content = String::from("BT /F1 11 Tf 50 790 Td 16 TL\n");
    for line in told {
        // Writing to a string cannot fail.
        let _ = writeln!(content, "({}) Tj T*", plain(&line));
    }
    content.push_str("ET");
    let objects = [
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_owned(),
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>"
            .to_owned(),
        format!("<< /Length {} >>\nstream\n{content}\nendstream", content.len()),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>".to_owned(),
    ];
    let mut document = String::from("%PDF-1.4\n");
    let mut places = Vec::new();
    for (number, object) in objects.iter().enumerate() {
        places.push(document.len());
        let _ = write!(document, "{} 0 obj\n{object}\nendobj\n", number + 1);
    }
    let start = document.len();
    let _ = write!(document, "xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1);
    for place in places {
        let _ = writeln!(document, "{place:010} 00000 n ");
    }
    let _ = write!(
        document,
        "trailer << /Size {} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n",
        objects.len() + 1
    );
    document
}

/// A text as a PDF string writes it; the font knows plain letters.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    for letter in text.chars() {
        match letter {
            '(' | ')' | '\\' => plain.extend(['\\', letter]),
            '×' => plain.push('x'),
            '€' => plain.push_str("EUR "),
            '£' => plain.push_str("GBP "),
            ' '..='~' => plain.push(letter),
            _ => plain.push('?'),
        }
    }
    plain
}
