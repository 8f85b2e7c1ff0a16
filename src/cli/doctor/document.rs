//! Findings as a JSON document. The keys are an interface: `docs/doctor.schema.json` describes
//! them, and within one version of it none goes away or changes its type.

use serde_json::{Value, json};

use crate::doctor::finding::{Finding, Severity};

/// The version of the document.
pub const SCHEMA: &str = "wildkat-doctor/1";

/// The findings, indented, with a newline at the end.
pub fn of(findings: &[&Finding], worst: Severity) -> String {
    let document = json!({
        "schema": SCHEMA,
        "version": env!("CARGO_PKG_VERSION"),
        "worst": worst.name(),
        "findings": findings.iter().map(|finding| one(finding)).collect::<Vec<_>>(),
    });
    format!("{document:#}\n")
}

fn one(finding: &Finding) -> Value {
    let seen = &finding.seen;
    let cure = seen.cure.as_ref();
    json!({
        "id": finding.id,
        "severity": seen.severity.name(),
        "about": Some(&seen.about).filter(|about| !about.is_empty()),
        "looked": finding.has_looked,
        "is": seen.is,
        "why": finding.why,
        "cure": cure.map(|cure| &cure.now),
        "cure_lasting": cure.map(|cure| cure.lasting.as_ref().unwrap_or(&cure.now)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::{Cure, Seen};

    #[test]
    fn document_follows_its_schema() {
        let schema = include_str!("../../../docs/doctor.schema.json");
        let schema: Value = serde_json::from_str(schema).unwrap();
        let validator = jsonschema::validator_for(&schema).unwrap();
        let finding = |seen| Finding { id: "port", why: "it is", seen, has_looked: true };
        let findings = [
            finding(Seen::ok("free").about("udp 6969")),
            finding(Seen::error("taken", Cure::both("kill 1", "systemctl disable x"))),
            finding(Seen::warning("small", Cure::lasting("more"))),
        ];
        let text = of(&findings.iter().collect::<Vec<_>>(), Severity::Error);
        let document: Value = serde_json::from_str(&text).unwrap();
        let faults: Vec<_> = validator.iter_errors(&document).map(|e| e.to_string()).collect();
        assert!(faults.is_empty(), "{faults:?}");
        assert_eq!(document["findings"][2]["cure_lasting"], "more");
        assert_eq!(document["schema"], SCHEMA);
        let other = text.replace("\"error\"", "\"awful\"");
        assert!(!validator.is_valid(&serde_json::from_str(&other).unwrap()));
    }
}
