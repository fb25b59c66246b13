//! The plots: how far ahead of whom in every row, and how rows change with the number of fibers or connections.

use crate::process::Subject;
use crate::rows::{Outcomes, Row};
use crate::table::{lead, value};
use plotters::prelude::*;
use std::collections::BTreeSet;
use std::error::Error;
use std::path::Path;

type Painted = Result<(), Box<dyn Error + Send + Sync>>;

/// A colour for each, told apart also by those who see few colours (Okabe and Ito's palette).
fn colour(subject: Subject) -> RGBColor {
    match subject.name() {
        "fiber" => RGBColor(0, 114, 178),
        "tokio" => RGBColor(213, 94, 0),
        "may" => RGBColor(0, 158, 115),
        "monoio" => RGBColor(204, 121, 167),
        "glommio" => RGBColor(230, 159, 0),
        "compio" => RGBColor(86, 180, 233),
        "smol" => RGBColor(160, 150, 20),
        "epoll loop" => RGBColor(0, 0, 0),
        "io_uring loop" => RGBColor(110, 110, 110),
        _ => RGBColor(160, 160, 160),
    }
}

pub(crate) fn all(results: &[(Row, Outcomes)], out: &Path) -> Painted {
    leads(results, &out.join("leads.svg"))?;
    lines(results, "yield", "tasks", "ns a yield", &out.join("yield.svg"))?;
    lines(results, "echo", "connections", "server CPU, us a request", &out.join("echo.svg"))
}

/// Room for the titles of rows.
const LABELS: u32 = 360;

/// A line for each row, a dot for each peer: right of the middle, fiber is ahead by that factor.
fn leads(results: &[(Row, Outcomes)], path: &Path) -> Painted {
    if results.is_empty() {
        return Ok(());
    }
    let height = 110 + 22 * results.len() as u32;
    let area = SVGBackend::new(path, (1000, height)).into_drawing_area();
    area.fill(&WHITE)?;
    let rows = results.len() as f64;
    let mut chart = ChartBuilder::on(&area)
        .caption(
            "Times that a peer takes for what fiber takes one (right of the line: fiber is ahead)",
            ("sans-serif", 15),
        )
        .margin(10)
        .margin_left(LABELS)
        .x_label_area_size(40)
        .build_cartesian_2d((0.01..200.0).log_scale(), 0.0..rows + 1.5)?;
    chart.configure_mesh().disable_y_mesh().disable_y_axis().x_label_formatter(&|x| format!("{x}")).draw()?;
    chart.draw_series(LineSeries::new([(1.0, 0.0), (1.0, rows + 0.5)], BLACK.stroke_width(2)))?;
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    for (index, (row, outcomes)) in results.iter().enumerate() {
        let y = rows - index as f64;
        let (_, height) = chart.backend_coord(&(1.0, y));
        area.draw_text(&row.title, &("sans-serif", 12).into_text_style(&area), (10, height - 7))?;
        for (subject, _) in outcomes.iter().filter(|(subject, _)| *subject != Subject::Fiber) {
            if let Some(lead) = lead(row, outcomes, *subject) {
                let dot = Circle::new((lead.clamp(0.01, 200.0), y), 4, colour(*subject).filled());
                let series = chart.draw_series([dot])?;
                if seen.insert(subject.name()) {
                    let colour = colour(*subject);
                    series.label(subject.name()).legend(move |(x, y)| Circle::new((x + 8, y), 4, colour.filled()));
                }
            }
        }
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
        .border_style(BLACK)
        .background_style(WHITE)
        .draw()?;
    area.present()?;
    Ok(())
}

/// The rows of one plot: a line for each subject.
fn lines(results: &[(Row, Outcomes)], plot: &str, x: &str, y: &str, path: &Path) -> Painted {
    let rows: Vec<_> = results
        .iter()
        .filter_map(|(row, outcomes)| Some((row, outcomes, row.point.filter(|(name, _)| *name == plot)?.1)))
        .collect();
    let Some((first, ..)) = rows.first() else { return Ok(()) };
    let series: Vec<(Subject, Vec<(f64, f64)>)> = first
        .subjects
        .iter()
        .map(|&subject| {
            let points = rows.iter().filter_map(|(row, outcomes, at)| {
                let (_, outcome) = outcomes.iter().find(|(one, _)| *one == subject)?;
                Some((*at, value(&row.columns[0], outcome.as_ref().ok()?)?))
            });
            (subject, points.collect())
        })
        .collect();
    let points = || series.iter().flat_map(|(_, points)| points);
    let (left, right) = points().fold((f64::MAX, f64::MIN), |(least, most), &(x, _)| (least.min(x), most.max(x)));
    let (low, high) = points().fold((f64::MAX, f64::MIN), |(least, most), &(_, y)| (least.min(y), most.max(y)));
    let area = SVGBackend::new(path, (800, 420)).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .margin(10)
        .margin_right(40)
        .x_label_area_size(40)
        .y_label_area_size(60)
        .build_cartesian_2d((left..right * 1.01).log_scale(), (low * 0.8..high * 1.2).log_scale())?;
    chart.configure_mesh().x_desc(x).y_desc(y).x_label_formatter(&|x| format!("{x}")).draw()?;
    for (subject, points) in series.iter().filter(|(_, points)| !points.is_empty()) {
        let colour = colour(*subject);
        let width = if *subject == Subject::Fiber { 3 } else { 1 };
        chart
            .draw_series(LineSeries::new(points.iter().copied(), colour.stroke_width(width)))?
            .label(subject.name())
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(width)));
        chart.draw_series(points.iter().map(|&point| Circle::new(point, 3, colour.filled())))?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .border_style(BLACK)
        .background_style(WHITE)
        .draw()?;
    area.present()?;
    Ok(())
}
