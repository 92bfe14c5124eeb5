//! `report.html`: made with the table, from the journal and the searches that are kept beside it.

use std::fs;
use std::path::Path;

use scraper::{Html, Selector};
use tempfile::tempdir;

use crate::run::{smoke, table};

fn page(out: &Path) -> Html {
    let page = Html::parse_document(&fs::read_to_string(out.join("report.html")).unwrap());
    assert!(page.errors.is_empty(), "{:?}", page.errors);
    page
}

fn count(page: &Html, selector: &str) -> usize {
    page.select(&Selector::parse(selector).unwrap()).count()
}

#[test]
fn the_report_shows_the_table_and_its_searches() {
    let folder = tempdir().unwrap();
    let out = folder.path();
    smoke(out, [""; 0]).assert().success();
    let first = page(out);
    // Two noise rates; baseline, oracle and ss.
    let methods = "[aria-label='Methods against label noise']";
    assert_eq!(count(&first, &format!("{methods} tbody")), 2);
    assert_eq!(count(&first, &format!("{methods} tbody tr")), 6);
    assert_eq!(count(&first, "details.search"), 2);
    assert!(out.join("searches/noise0-seed0.json").is_file());
    // At 0% nobody's labels are wrong: three figures. At 40% five, and two of the table.
    assert_eq!(count(&first, "figure"), 3 + 5 + 2);
    // Images are shown where a rule is in use.
    let cells = table(out)["cells"].as_array().unwrap().clone();
    let rules = cells.iter().filter(|cell| cell["search"]["kept"] == true).count();
    assert_eq!(count(&first, ".thumbnails img"), rules * 2 * 24);

    // The second run computes nothing and writes the page again; what is lost is named.
    let shown = |page: &Html| -> String {
        let search = Selector::parse("details.search").unwrap();
        page.select(&search).map(|search| search.html()).collect()
    };
    fs::remove_file(out.join("report.html")).unwrap();
    smoke(out, [""; 0]).assert().success();
    assert_eq!(shown(&page(out)), shown(&first));
    fs::remove_file(out.join("searches/noise40-seed0.json")).unwrap();
    smoke(out, [""; 0]).assert().success();
    let less = page(out);
    assert_eq!(count(&less, "details.search"), 1);
    let text: String = less.root_element().text().collect();
    assert!(text.contains("40% wrong labels, seed 0: no figures, ") && text.contains("noise40-seed0.json"));
}
