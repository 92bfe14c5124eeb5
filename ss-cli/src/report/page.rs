//! The frame of every page.

use maud::{DOCTYPE, Markup, PreEscaped, html};

const STYLE: &str = include_str!("style.css");

/// The browser is to load nothing and to run nothing, whatever a page holds.
const POLICY: &str = "default-src 'none'; img-src data:; style-src 'unsafe-inline'";

/// A document of its own with this title; `lead` says in a sentence or two what it shows.
pub(super) fn page(title: &str, lead: &Markup, body: &Markup) -> String {
    let document = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="color-scheme" content="light dark";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    h1 { (title) }
                    p.lead { (lead) }
                }
                main { (body) }
                footer {
                    p {
                        "Swift Sampler " (env!("CARGO_PKG_VERSION")) ", an independent implementation of the method of "
                        a href="https://arxiv.org/abs/2410.05578" { "arXiv 2410.05578" }
                        ". This page loads nothing and runs no script."
                    }
                }
            }
        }
    };
    document.into_string() + "\n"
}
