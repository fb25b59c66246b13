//! The table, in Markdown.

use crate::peers::Peer;
use crate::process::{Figures, Subject};
use crate::rows::{Column, Outcomes, Row};
use std::fmt::Write;

/// The value in the middle.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len().is_multiple_of(2) { f64::midpoint(values[middle - 1], values[middle]) } else { values[middle] }
}

/// A column's value in each round.
fn values(column: &Column, rounds: &[Figures]) -> Vec<f64> {
    rounds.iter().filter_map(|figures| Some(figures.get(column.figure)? * column.scale)).collect()
}

/// The median of a column.
pub(crate) fn value(column: &Column, rounds: &[Figures]) -> Option<f64> {
    let values = values(column, rounds);
    (!values.is_empty()).then(|| median(values))
}

/// From the least of a column to the most.
fn range(column: &Column, rounds: &[Figures]) -> String {
    let mut values = values(column, rounds);
    values.sort_by(f64::total_cmp);
    let ends = values.first().zip(values.last());
    ends.map_or_else(String::new, |(&least, &most)| format!("{} – {}", figure(least), figure(most)))
}

/// Nearer to one than this, a lead is none: two measurements differ by as much.
const LEVEL: f64 = 0.05;

/// How much better fiber is in the column that decides: above one, it is ahead.
pub(crate) fn lead(row: &Row, outcomes: &Outcomes, subject: Subject) -> Option<f64> {
    let of = |wanted: Subject| {
        let (_, outcome) = outcomes.iter().find(|(subject, _)| *subject == wanted)?;
        value(&row.columns[0], outcome.as_ref().ok()?)
    };
    let (ours, theirs) = (of(Subject::Fiber)?, of(subject)?);
    Some(if row.more_is_better { ours / theirs } else { theirs / ours })
}

/// A bare loop is no runtime but the limit of one.
pub(crate) fn is_limit(subject: Subject) -> bool {
    matches!(subject, Subject::Peer(Peer::Epoll | Peer::Uring | Peer::Threads))
}

/// One row's table.
pub(crate) fn section(row: &Row, outcomes: &Outcomes) -> String {
    let mut text = format!("\n### {}\n\n|  |", capitalised(&row.title));
    row.columns.iter().for_each(|column| write!(text, " {} |", column.title).expect("a string grows"));
    text += " fiber's lead |\n|---|";
    row.columns.iter().for_each(|_| text += "---:|");
    text += "---:|\n";
    for (subject, outcome) in outcomes {
        let name = subject.name();
        write!(text, "| {} |", if *subject == Subject::Fiber { "**fiber**" } else { name }).expect("a string grows");
        match outcome {
            Ok(rounds) => {
                for column in &row.columns {
                    let shown = value(column, rounds).map_or_else(|| "-".to_owned(), figure);
                    write!(text, " {shown} |").expect("a string grows");
                }
                let lead = lead(row, outcomes, *subject);
                writeln!(text, " {} |", lead.map_or_else(|| "-".to_owned(), |lead| format!("{lead:.2}")))
                    .expect("a string grows");
            }
            Err(why) => {
                write!(text, " {why} |").expect("a string grows");
                row.columns.iter().for_each(|_| text += " |");
                text += "\n";
            }
        }
    }
    text
}

/// All of it: first what is ahead of what, then every row.
pub(crate) fn document(results: &[(Row, Outcomes)], rounds: usize, machine: &str) -> String {
    let mut text = format!(
        "{machine}. Medians of {rounds} rounds.\n\n|  | fiber | in the rounds | the best peer |  | how far ahead fiber is |\n|---|---:|---:|---:|---|---:|\n",
    );
    for (row, outcomes) in results {
        let column = &row.columns[0];
        let of = |wanted: Subject| {
            outcomes
                .iter()
                .find(|(subject, _)| *subject == wanted)
                .and_then(|(_, outcome)| value(column, outcome.as_ref().ok()?))
        };
        let rivals =
            outcomes.iter().map(|(subject, _)| *subject).filter(|&one| one != Subject::Fiber && !is_limit(one));
        let best = rivals
            .filter_map(|rival| Some((rival, lead(row, outcomes, rival)?, of(rival)?)))
            .min_by(|(_, one, _), (_, other, _)| one.total_cmp(other));
        let Some(ours) = of(Subject::Fiber) else { continue };
        let (theirs, name, ratio) = match best {
            Some((rival, lead, theirs)) => {
                let shown = if lead < 1.0 - LEVEL { format!("**{lead:.2}**") } else { format!("{lead:.2}") };
                (figure(theirs), rival.name(), shown)
            }
            None => ("-".to_owned(), "", String::new()),
        };
        let in_rounds = outcomes.iter().find(|(subject, _)| *subject == Subject::Fiber);
        let range = in_rounds.and_then(|(_, outcome)| Some(range(column, outcome.as_ref().ok()?))).unwrap_or_default();
        let (title, unit, ours) = (&row.title, column.title, figure(ours));
        writeln!(text, "| {title}, {unit} | {ours} | {range} | {theirs} | {name} | {ratio} |").expect("a string grows");
    }
    for (row, outcomes) in results {
        text += &section(row, outcomes);
    }
    text
}

fn capitalised(title: &str) -> String {
    let mut letters = title.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// With three digits that count.
fn figure(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => {
            let whole = format!("{value:.0}");
            let mut grouped = String::new();
            for (index, digit) in whole.chars().enumerate() {
                if index > 0 && (whole.len() - index).is_multiple_of(3) {
                    grouped.push(',');
                }
                grouped.push(digit);
            }
            grouped
        }
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}
