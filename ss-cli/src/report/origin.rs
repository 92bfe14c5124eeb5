//! Command, source, packages, machine and settings of a run.

use maud::{Markup, html};
use serde_json::Value;

use super::data_table::DataTable;
use crate::provenance::Provenance;

/// The section that tells a reader how to judge and to repeat the run.
pub(super) fn section(provenance: &Provenance, settings: &Value) -> Markup {
    let source = provenance.source.as_ref().map_or_else(
        || "no git tree".to_owned(),
        |source| {
            let state = if source.dirty { "with changes that are not committed" } else { "clean" };
            format!("{}, {state}", source.commit)
        },
    );
    let packages: Vec<String> =
        provenance.packages.iter().map(|(name, version)| format!("{name} {version}")).collect();
    let mut rows = Vec::new();
    flatten("", settings, &mut rows);
    html! {
        section {
            h2 { "Provenance" }
            p { "The command, which gives the same results again on the same source:" }
            pre { code { (provenance.command) } }
            dl.pairs {
                dt { "Commit" } dd { (source) }
                dt { "Packages" } dd { (packages.join(", ")) }
                dt { "Processor" }
                dd {
                    (provenance.processor.as_deref().unwrap_or("unknown")) ", "
                    (provenance.cores) @if provenance.cores == 1 { " core" } @else { " cores" }
                }
                dt { "System" } dd { (provenance.system) }
                dt { "Written" } dd { (provenance.time) " UTC" }
            }
            details {
                summary { "All settings (" (rows.len()) ")" }
                (DataTable::plain("All settings", ["setting", "value"], rows).markup())
            }
        }
    }
}

/// The leaves of a JSON value with their paths.
fn flatten(path: &str, value: &Value, rows: &mut Vec<[String; 2]>) {
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match value {
        Value::Object(fields) => fields.iter().for_each(|(key, value)| flatten(&below(key), value, rows)),
        Value::Array(items) if items.iter().any(|item| item.is_object() || item.is_array()) => {
            items.iter().enumerate().for_each(|(k, item)| flatten(&below(&k.to_string()), item, rows));
        }
        Value::Array(items) => {
            let texts: Vec<String> = items.iter().map(text).collect();
            rows.push([path.to_owned(), texts.join(", ")]);
        }
        leaf => rows.push([path.to_owned(), text(leaf)]),
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn settings_are_listed_by_their_paths() {
        let mut rows = Vec::new();
        let settings =
            json!({"seed": 3, "recipe": {"network": "resnet8", "widths": [1, 2]}, "list": [{"a": null}]});
        flatten("", &settings, &mut rows);
        let rows: Vec<String> = rows.iter().map(|row| row.join("=")).collect();
        assert_eq!(rows.len(), 4);
        for row in ["seed=3", "recipe.network=resnet8", "recipe.widths=1, 2", "list.0.a=null"] {
            assert!(rows.iter().any(|found| found == row), "{row} is not in {rows:?}");
        }
    }
}
