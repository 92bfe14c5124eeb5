//! What must hold for every page: well-formed, self-contained, escaped, readable by everybody, the same again.

use std::collections::BTreeSet;

use scraper::{ElementRef, Html, Selector};
use serde_json::{Value, json};
use ss_sampler::{RankedFeatures, SamplerParams, SamplerSpec, Transform};

use super::thumbnail::Extremes;
use super::*;
use crate::Method;
use crate::method::{MethodResult, SearchSummary};
use crate::picture::{NoisePoint, NoiseSeries, SamplerView};
use crate::provenance::{Provenance, Source};
use crate::search::TrialRecord;

/// What a name could hold to break out of its place.
const HOSTILE: &str = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>&amp;";
const N: usize = 300;

fn result(method: Method) -> MethodResult {
    let mut value = json!({
        "method": "baseline", "top1_last": 61.5, "top1_best": 80.0, "top5_last": 95.0, "val_top1": 40.0,
        "train_seconds": 2.0, "search_seconds": 3.0, "search_cost": 1.25, "feature_cost": 0.25
    });
    value["method"] = serde_json::to_value(method).unwrap();
    serde_json::from_value(value).unwrap()
}

fn trial(name: &str, score: Option<f64>, pruned: Option<f64>, failure: Option<&str>) -> TrialRecord {
    let failure = failure.map(str::to_owned);
    TrialRecord { name: name.into(), point: vec![0.5; 10], score, pruned, failure, effective_share: 0.5 }
}

/// A search with every kind of trial, on examples of which every fifth has a wrong label where that is known.
fn record(name: &str, kept: bool, known: bool) -> SearchRecord {
    let spec = SamplerSpec::new(["loss", "renormed_entropy"], Transform::Cgf).unwrap();
    let up: Vec<f32> = (0..N).map(|i| i as f32).collect();
    let down: Vec<f32> = (0..N).map(|i| ((N - i) / 3) as f32).collect();
    let ranked = RankedFeatures::new(spec.clone(), &[&up, &down], &[1.0; N]).unwrap();
    let params = match kept {
        true => {
            SamplerParams::new(&spec, vec![1.0, -0.2], vec![0.3, 0.5, 0.7], vec![1.0, 1.0, 0.5, 0.0, 0.0])
                .unwrap()
        }
        false => SamplerParams::uniform(&spec),
    };
    let wrong: Vec<bool> = (0..N).map(|i| i % 5 == 0).collect();
    let weights = ranked.weights(&params).unwrap();
    let image = |id: u64| {
        json!({
            "id": id, "label": name, "truth": known.then_some(name), "relative": 0.5, "width": 8, "height": 8,
            "png": "iVBORw0KGgo="
        })
    };
    let images: Extremes =
        serde_json::from_value(json!({"least": [image(1), image(2)], "most": [image(3)]})).unwrap();
    let trials = vec![
        trial("uniform", Some(-1.9), None, None),
        trial(name, Some(-1.7), None, None),
        trial("model", None, Some(-3.0), None),
        trial("model", None, None, Some(name)),
        trial("model", Some(-1.5), None, None),
    ];
    let search = SearchSummary {
        reference_epoch: 5,
        chosen: name.into(),
        gain: 0.4,
        standard_error: 0.1,
        finalists: 2,
        final_gain: Some(0.1),
        kept,
        effective_share: 0.6,
        clean_mass: 0.9,
        loss_auroc: Some(0.8),
        trials,
    };
    SearchRecord {
        format_version: 1,
        dataset: name.into(),
        network: "resnet8".into(),
        examples: N,
        validation: 100,
        realized_noise: if known { 0.2 } else { 0.0 },
        epochs: 30,
        start_epoch: 15,
        trial_epochs: 1.0,
        score: "calibrated".into(),
        used: if kept { 4 } else { 0 },
        view: SamplerView::new(&ranked, &params, &weights, known.then_some(&wrong)).unwrap(),
        words: name.into(),
        images,
        baseline: Some(result(Method::Baseline)),
        ss: MethodResult { search: Some(search), ..result(Method::Ss) },
    }
}

fn provenance(name: &str) -> Provenance {
    Provenance {
        command: format!("swift-sampler search --out {name}"),
        source: Some(Source { commit: "0123abc".into(), dirty: true }),
        packages: vec![(name.into(), "0.1.0".into())],
        processor: Some(name.into()),
        cores: 2,
        system: name.into(),
        time: "2026-01-02 03:04:05".into(),
    }
}

fn search_page(name: &str, kept: bool, known: bool) -> String {
    let settings = json!({ name: name, "list": [1, 2] });
    let (record, provenance) = (record(name, kept, known), provenance(name));
    SearchPage { record: &record, settings: &settings, provenance: &provenance }.html().unwrap()
}

fn table_page(name: &str) -> String {
    let row =
        |cell: &str| TableRow { cells: vec![cell.into(), name.into(), "1.5".into()], emphasised: false };
    let table = DataTable {
        title: name.into(),
        header: vec!["noise".into(), name.into(), "top-1".into()],
        rows: vec![row("0%"), row("0%"), row("40%")],
    };
    let point = |noise, value| NoisePoint { noise, value, bar: Some((value - 1.0, value + 2.0)) };
    let line =
        |mean| NoiseSeries { name: name.into(), points: vec![point(0.0, mean), point(0.4, mean - 5.0)] };
    TablePage {
        title: name.into(),
        lead: name.into(),
        table: table.clone(),
        columns: vec![(name.into(), name.into())],
        accuracy: (0..9).map(|k| line(90.0 - f64::from(k))).collect(),
        // One seed has no bars, and a method may have no baseline to be compared with.
        gains: vec![
            NoiseSeries { name: name.into(), points: Vec::new() },
            NoiseSeries { name: name.into(), points: vec![NoisePoint { noise: 0.2, value: 3.0, bar: None }] },
        ],
        searches: vec![
            TableSearch { title: name.into(), record: Ok(record(name, true, true)) },
            TableSearch { title: name.into(), record: Err(name.into()) },
        ],
        cost: table,
        settings: json!({ name: name }),
        provenance: provenance(name),
    }
    .html()
    .unwrap()
}

fn pages(name: &str) -> Vec<String> {
    let mut pages = vec![table_page(name)];
    for kept in [true, false] {
        pages.extend([true, false].map(|known| search_page(name, kept, known)));
    }
    pages
}

fn select<'a>(document: &'a Html, selector: &str) -> Vec<ElementRef<'a>> {
    document.select(&Selector::parse(selector).unwrap()).collect()
}

#[test]
fn pages_are_well_formed() {
    for page in pages("digits") {
        let document = Html::parse_document(&page);
        assert!(document.errors.is_empty(), "{:?}", document.errors);
        assert!(!page.contains("NaN") && !page.contains("inf,") && !page.contains("\"inf\""));
        assert_eq!(select(&document, "h1").len(), 1);
    }
    assert!(!Html::parse_document("<p><b></p>").errors.is_empty(), "the check can fail");
}

/// Links are for readers to follow; all that a browser would load by itself is in the page.
#[test]
fn pages_load_nothing_and_run_nothing() {
    for page in pages("digits").into_iter().chain(pages(HOSTILE)) {
        let document = Html::parse_document(&page);
        for element in select(&document, "*") {
            let name = element.value().name();
            assert!(
                !["script", "link", "iframe", "object", "embed", "base", "form"].contains(&name),
                "<{name}>"
            );
            for (attribute, value) in element.value().attrs() {
                let allowed = match attribute {
                    "src" => name == "img" && value.starts_with("data:image/png;base64,"),
                    "href" => name == "a" && value.starts_with("https://"),
                    "srcset" | "xlink:href" | "action" | "background" => false,
                    _ => !attribute.starts_with("on") && !value.contains("url("),
                };
                assert!(allowed, "<{name} {attribute}={value:?}>");
            }
        }
        let style: String = select(&document, "style").iter().flat_map(|style| style.text()).collect();
        assert!(style.contains("prefers-color-scheme: dark") && style.contains("@media print"));
        assert!(!style.contains("url(") && !style.contains("@import"));
        assert_eq!(select(&document, "meta[http-equiv=Content-Security-Policy]").len(), 1);
    }
}

#[test]
fn names_from_outside_are_text() {
    for page in pages(HOSTILE) {
        assert!(!page.contains("<script"));
        let document = Html::parse_document(&page);
        assert!(document.errors.is_empty(), "{:?}", document.errors);
        let text: String = document.root_element().text().collect();
        assert!(text.contains(HOSTILE), "the name is shown as it is");
    }
}

#[test]
fn everything_that_is_drawn_is_described_and_captioned() {
    for page in pages("digits") {
        let document = Html::parse_document(&page);
        for svg in select(&document, "svg:not(.glyph)") {
            assert_eq!(svg.value().attr("role"), Some("img"));
            assert!(svg.value().attr("aria-label").is_some_and(|label| label.len() > 10));
        }
        for figure in select(&document, "figure") {
            let caption = figure.select(&Selector::parse("figcaption").unwrap()).next().unwrap();
            assert!(caption.text().collect::<String>().len() > 40);
            assert!(figure.select(&Selector::parse("svg text").unwrap()).next().is_some(), "text is text");
        }
        for image in select(&document, "img") {
            assert!(image.value().attr("alt").is_some_and(|alt| alt.starts_with("Image ")));
        }
    }
    let figures = |page: &str| select(&Html::parse_document(page), "figure").len();
    assert_eq!(figures(&search_page("digits", true, true)), 5);
    // Where nobody knows which labels are wrong, the two figures about them are left out.
    assert_eq!(figures(&search_page("digits", true, false)), 3);
    let marks = |known| select(&Html::parse_document(&search_page("digits", true, known)), ".truth").len();
    assert_eq!((marks(true), marks(false)), (3, 0));
}

/// Every colour of a drawing has a name, and every name a colour on light and on dark.
#[test]
fn drawings_follow_light_and_dark() {
    let page = table_page("digits");
    let document = Html::parse_document(&page);
    let mut used = BTreeSet::new();
    for element in select(&document, "svg *") {
        for attribute in ["fill", "stroke"] {
            let Some(colour) = element.value().attr(attribute).filter(|colour| *colour != "none") else {
                continue;
            };
            let name = colour.strip_prefix("var(").and_then(|rest| rest.strip_suffix(')'));
            used.insert(name.unwrap_or_else(|| panic!("{colour} has no name")).to_owned());
        }
    }
    assert!(used.len() > 20, "{used:?}");
    let style = include_str!("style.css");
    let (light, dark) = style.split_once("prefers-color-scheme: dark").unwrap();
    for name in used {
        let definition = format!("{name}: #");
        assert!(light.contains(&definition), "{name} on light");
        assert!(dark.contains(&definition), "{name} on dark");
    }
}

#[test]
fn equal_inputs_give_equal_pages() {
    assert_eq!(pages("digits"), pages("digits"));
    assert_ne!(pages("digits"), pages("other"));
}

#[test]
fn a_search_that_cannot_be_shown_says_why() {
    let page = table_page("the reason");
    assert!(page.contains("the reason: no figures, the reason."));
    assert_eq!(select(&Html::parse_document(&page), "details.search").len(), 1);
}

#[test]
fn a_record_survives_its_file() {
    let record = record("digits", true, true);
    let value: Value = serde_json::from_str(&serde_json::to_string(&record).unwrap()).unwrap();
    assert_eq!(SearchRecord::from_value(value.clone()).unwrap(), record);

    let refused = |change: fn(&mut Value)| {
        let mut value = value.clone();
        change(&mut value);
        SearchRecord::from_value(value).unwrap_err().to_string()
    };
    assert!(refused(|value| value["format_version"] = json!(2)).contains("found 2"));
    assert!(refused(|value| value["trial_epochs"] = json!("one")).contains("invalid type"));
    // Parameters of another rule.
    refused(|value| value["view"]["params"]["inner_knots"] = json!([0.5]));
}

#[test]
fn the_uniform_run_is_counted_once() {
    let mut record = record("digits", true, true);
    // 2 s of the uniform run, 5 s of two finalists.
    record.ss.train_seconds = 7.0;
    let settings = json!({});
    let page = |record: &SearchRecord| {
        let provenance = provenance("digits");
        let page = SearchPage { record, settings: &settings, provenance: &provenance }.html().unwrap();
        let cells = |row: ElementRef| row.text().collect::<Vec<_>>().join("|");
        select(&Html::parse_document(&page), "tbody tr").into_iter().map(cells).collect::<Vec<String>>()
    };
    let rows = page(&record);
    assert!(rows.contains(&"the uniform run (the baseline)|1.00|2.0".into()), "{rows:?}");
    assert!(rows.contains(&"trainings under 2 rules, one of them kept|2.00|5.0".into()), "{rows:?}");
    // A rule under which training diverged cost its training too, and is not one that gained nothing.
    if let Some(search) = &mut record.ss.search {
        (search.kept, search.final_gain, search.finalists) = (false, None, 1);
    }
    assert!(page(&record).contains(&"a training under the rule, not kept|1.00|5.0".into()));
    assert!(record.verdict().contains("diverged"), "{}", record.verdict());
    if let Some(search) = &mut record.ss.search {
        search.gain = 0.0;
    }
    assert!(!page(&record).iter().any(|row| row.contains("training under")));
    assert!(record.verdict().contains("no rule gained"), "{}", record.verdict());
}
