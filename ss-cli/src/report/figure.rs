//! A drawing with its title, legend and caption.

use maud::{Markup, PreEscaped, html};

use crate::picture::Figure;

/// A drawing that says to everybody what it shows: `title` heads it, `label` describes it to those who cannot see
/// it, `caption` teaches how to read it.
pub(super) fn figure(
    drawing: &Figure,
    title: &str,
    label: &str,
    legend: &[(Glyph, &str)],
    caption: &Markup,
) -> Markup {
    let (width, height) = drawing.size;
    html! {
        figure.chart {
            h3 { (title) }
            @if !legend.is_empty() {
                ul.legend {
                    @for (glyph, text) in legend { li { (glyph.markup()) (text) } }
                }
            }
            svg viewBox=(format!("0 0 {width} {height}")) role="img" aria-label=(label) {
                (PreEscaped(&drawing.content))
            }
            figcaption { (caption) }
        }
    }
}

/// A mark of a drawing in its legend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Glyph {
    /// A filled square of the colour with this name.
    Square(&'static str),
    /// A line with a dot.
    Line(String),
    Step,
    Dashes,
    Dot,
    Hollow,
    Ring,
    Triangle,
    Cross,
}

impl Glyph {
    fn markup(&self) -> Markup {
        html! {
            svg.glyph viewBox="0 0 20 12" width="20" height="12" aria-hidden="true" {
                @match self {
                    Self::Square(name) => rect x="4" width="12" height="12" fill=(format!("var({name})")) {},
                    Self::Line(name) => {
                        path d="M0 6H20" stroke=(format!("var({name})")) stroke-width="2" {}
                        circle cx="10" cy="6" r="3" fill=(format!("var({name})")) {}
                    },
                    Self::Step => path d="M0 9H10V3H20" fill="none" stroke="var(--level-6)" stroke-width="2" {},
                    Self::Dashes => path d="M0 6H20" stroke="var(--ink)" stroke-dasharray="5 3" {},
                    Self::Dot => circle cx="10" cy="6" r="3.5" fill="var(--level-16)" {},
                    Self::Hollow => circle cx="10" cy="6" r="3" fill="none" stroke="var(--level-16)" {},
                    Self::Ring => circle cx="10" cy="6" r="5" fill="none" stroke="var(--ink)" stroke-width="2" {},
                    Self::Triangle => path d="M10 1L15 11H5Z" fill="var(--wrong)" {},
                    Self::Cross => path d="M6 2L14 10M14 2L6 10" stroke="var(--ink)" stroke-width="2" {},
                }
            }
        }
    }
}
