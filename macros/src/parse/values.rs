//! The values that arguments take, each checked at its token.

use proc_macro2::{Ident, Span};
use syn::parse::{ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{Error, Lit, LitStr, Path, Result, Token};

use super::arguments::{Argument, Companion};
use super::attribute::Attribute;

/// The smallest stack that the runtime takes, in bytes.
const SMALLEST_STACK: u64 = 16 * 1024;

/// `numa = "any" | "local" | "spread" | <node>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Numa {
    Any,
    Local,
    Spread,
    Node(u32),
}

/// `priority = "high" | "normal" | "low" | "idle"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Priority {
    High,
    Normal,
    Low,
    Idle,
}

/// `driver = "auto" | "io_uring" | "epoll"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Driver {
    Auto,
    IoUring,
    Epoll,
}

/// `timeslice = "1ms"`: a number in one of the units that `Duration` has constructors for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timeslice {
    Nanos(u64),
    Micros(u64),
    Millis(u64),
    Secs(u64),
}

/// `workers = 4`, `blocking_threads = 64`: from 1.
pub(crate) fn count(argument: &Argument) -> Result<usize> {
    match literal(argument)? {
        Lit::Int(number) => number.base10_parse().ok().filter(|number| *number > 0),
        _ => None,
    }
    .ok_or_else(|| wrong(argument, "takes a whole number from 1"))
}

pub(crate) fn stack_size(argument: &Argument) -> Result<u64> {
    let bytes = match literal(argument)? {
        Lit::Int(number) => number.base10_parse().ok(),
        Lit::Str(text) => scaled(&text.value(), &[("", 1), ("k", 1 << 10), ("m", 1 << 20), ("g", 1 << 30)]),
        _ => None,
    };
    match bytes {
        Some(bytes) if bytes < SMALLEST_STACK => Err(argument
            .error(format!("a stack of {bytes} bytes is too small: the smallest is 16 KiB, `stack_size = \"16k\"`"))),
        Some(bytes) => Ok(bytes),
        None => Err(wrong(argument, "takes a number of bytes, or a string with the unit `k`, `m` or `g`")),
    }
}

pub(crate) fn timeslice(argument: &Argument) -> Result<Timeslice> {
    let text = match literal(argument)? {
        Lit::Str(text) => text.value(),
        _ => String::new(),
    };
    let (number, unit) = number_and_unit(&text);
    let unit: Option<fn(u64) -> Timeslice> = match unit {
        "ns" => Some(Timeslice::Nanos),
        "us" | "µs" => Some(Timeslice::Micros),
        "ms" => Some(Timeslice::Millis),
        "s" => Some(Timeslice::Secs),
        _ => None,
    };
    match (number, unit) {
        (Some(0), Some(_)) => Err(argument.error("a time slice of nothing: a fiber could never run")),
        (Some(number), Some(unit)) => Ok(unit(number)),
        _ => Err(wrong(argument, "takes a string with a whole number and the unit `ns`, `us`, `ms` or `s`")),
    }
}

pub(crate) fn numa(argument: &Argument) -> Result<Numa> {
    let node = match literal(argument)? {
        Lit::Int(number) => number.base10_parse().ok().map(Numa::Node),
        Lit::Str(text) => match text.value().as_str() {
            "any" => Some(Numa::Any),
            "local" => Some(Numa::Local),
            "spread" => Some(Numa::Spread),
            node => node.parse().ok().map(Numa::Node),
        },
        _ => None,
    };
    node.ok_or_else(|| wrong(argument, "takes \"any\", \"local\", \"spread\" or the number of a NUMA node"))
}

pub(crate) fn priority(argument: &Argument) -> Result<Priority> {
    use Priority::{High, Idle, Low, Normal};
    choice(argument, &[("high", High), ("normal", Normal), ("low", Low), ("idle", Idle)])
}

pub(crate) fn driver(argument: &Argument) -> Result<Driver> {
    choice(argument, &[("auto", Driver::Auto), ("io_uring", Driver::IoUring), ("epoll", Driver::Epoll)])
}

pub(crate) fn checkpoints(argument: &Argument) -> Result<bool> {
    match literal(argument)? {
        Lit::Bool(value) => Ok(value.value),
        _ => Err(wrong(argument, "takes `true` or `false`")),
    }
}

/// `name = "..."`.
pub(crate) fn name(argument: &Argument) -> Result<LitStr> {
    match literal(argument)? {
        Lit::Str(text) if !text.value().trim().is_empty() => Ok(text),
        _ => Err(wrong(argument, "takes a string that is not empty")),
    }
}

/// `crate = "..."`, the path by which the user's crate reaches the runtime.
pub(crate) fn krate(argument: &Argument) -> Result<Path> {
    let path = match literal(argument)? {
        Lit::Str(text) => text.parse_with(Path::parse_mod_style).ok(),
        _ => None,
    };
    path.ok_or_else(|| wrong(argument, "takes the path of the fiber crate as a string"))
}

/// `companion = "name" | false`.
pub(crate) fn companion(argument: &Argument) -> Result<Companion> {
    let companion = match literal(argument)? {
        Lit::Bool(value) if !value.value => Some(Companion::None),
        Lit::Str(text) => text.parse().ok().map(Companion::Named),
        _ => None,
    };
    companion.ok_or_else(|| wrong(argument, "takes an identifier as a string, or `false`"))
}

/// `allow(path, ...)`.
pub(crate) fn allow(argument: &Argument) -> Result<Vec<Path>> {
    let list = |input: ParseStream<'_>| Punctuated::<Path, Token![,]>::parse_terminated(input);
    let paths = argument.listed().and_then(|tokens| list.parse2(tokens).ok());
    match paths {
        Some(paths) if !paths.is_empty() => Ok(paths.into_iter().collect()),
        _ => Err(wrong(argument, "takes the paths of blocking functions")),
    }
}

/// `unsafe(migrate)`: the span of `unsafe`.
pub(crate) fn migrate(argument: &Argument) -> Result<Span> {
    let what = argument.listed().and_then(|tokens| syn::parse2::<Ident>(tokens).ok());
    match what {
        Some(what) if what == "migrate" => Ok(argument.name.span()),
        _ => Err(wrong(argument, "goes with `migrate` alone")),
    }
}

/// A bare word, such as `associated`.
pub(crate) fn flag(argument: &Argument) -> Result<Span> {
    if argument.is_flag() { Ok(argument.name.span()) } else { Err(wrong(argument, "takes no value")) }
}

fn choice<T: Copy>(argument: &Argument, choices: &[(&str, T)]) -> Result<T> {
    let given = match literal(argument)? {
        Lit::Str(text) => text.value(),
        _ => String::new(),
    };
    choices.iter().find(|(name, _)| *name == given).map(|(_, value)| *value).ok_or_else(|| {
        let valid: Vec<_> = choices.iter().map(|(name, _)| format!("{name:?}")).collect();
        argument.error(format!("`{}` takes one of {}", argument.name, valid.join(", ")))
    })
}

/// The literal after `=`.
fn literal(argument: &Argument) -> Result<Lit> {
    match argument.assigned() {
        Some(tokens) => syn::parse2(tokens).map_err(|_| wrong(argument, "takes a literal")),
        None => Err(argument.error(format!(
            "`{}` needs a value: `{}`",
            argument.name,
            Attribute::example(&argument.name.to_string())
        ))),
    }
}

fn wrong(argument: &Argument, takes: &str) -> Error {
    let example = Attribute::example(&argument.name.to_string());
    argument.error(format!("`{}` {takes}: `{example}`", argument.name))
}

/// `"64k"` with the table of units is 65536; `None` for anything else, and for what does not fit.
fn scaled(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let (number, unit) = number_and_unit(text);
    let unit = unit.to_ascii_lowercase();
    let (_, factor) = units.iter().find(|(known, _)| *known == unit)?;
    number?.checked_mul(*factor)
}

fn number_and_unit(text: &str) -> (Option<u64>, &str) {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    (text[..digits].parse().ok(), &text[digits..])
}

/// For tests: the value of `argument = ...` by one of the functions above.
#[cfg(test)]
pub(super) fn value_of<T>(
    read: fn(&Argument) -> Result<T>,
    tokens: proc_macro2::TokenStream,
) -> std::result::Result<T, String> {
    let argument = Argument::parse(tokens).map_err(|error| error.to_string())?;
    read(&argument).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::{Numa, Priority, Timeslice, numa, priority, stack_size, timeslice, value_of};
    use quote::quote;

    #[test]
    fn stack_sizes() {
        let size = |tokens| value_of(stack_size, tokens);
        assert_eq!(size(quote!(stack_size = "64k")), Ok(65_536));
        assert_eq!(size(quote!(stack_size = "1M")), Ok(1 << 20));
        assert_eq!(size(quote!(stack_size = "2g")), Ok(2 << 30));
        assert_eq!(size(quote!(stack_size = "16384")), Ok(16_384));
        assert_eq!(size(quote!(stack_size = 0x1_0000)), Ok(65_536));
        let takes = "`stack_size` takes a number of bytes, or a string with the unit `k`, `m` or `g`: \
                     `stack_size = \"64k\"`";
        for wrong in [
            quote!(stack_size = "big"),
            quote!(stack_size = ""),
            quote!(stack_size = "k"),
            quote!(stack_size = "64kb"),
            quote!(stack_size = "-1"),
            quote!(stack_size = "1.5m"),
            quote!(stack_size = 1.5),
            quote!(stack_size = "18446744073709551615k"),
        ] {
            assert_eq!(size(wrong).unwrap_err(), takes);
        }
        assert_eq!(
            size(quote!(stack_size = "15k")).unwrap_err(),
            "a stack of 15360 bytes is too small: the smallest is 16 KiB, `stack_size = \"16k\"`"
        );
        assert_eq!(size(quote!(stack_size)).unwrap_err(), "`stack_size` needs a value: `stack_size = \"64k\"`");
        assert_eq!(size(quote!(stack_size("64k"))).unwrap_err(), "`stack_size` needs a value: `stack_size = \"64k\"`");
    }

    #[test]
    fn nodes_are_numbers_or_words() {
        assert_eq!(value_of(numa, quote!(numa = "local")), Ok(Numa::Local));
        assert_eq!(value_of(numa, quote!(numa = 1)), Ok(Numa::Node(1)));
        assert_eq!(value_of(numa, quote!(numa = "1")), Ok(Numa::Node(1)));
        assert!(value_of(numa, quote!(numa = -1)).is_err());
        assert!(value_of(numa, quote!(numa = "near")).is_err());
    }

    #[test]
    fn time_slices_have_units() {
        assert_eq!(value_of(timeslice, quote!(timeslice = "1ms")), Ok(Timeslice::Millis(1)));
        assert_eq!(value_of(timeslice, quote!(timeslice = "500us")), Ok(Timeslice::Micros(500)));
        assert_eq!(value_of(timeslice, quote!(timeslice = "500µs")), Ok(Timeslice::Micros(500)));
        for wrong in
            [quote!(timeslice = 1), quote!(timeslice = "1"), quote!(timeslice = "ms"), quote!(timeslice = "1m")]
        {
            assert!(value_of(timeslice, wrong).unwrap_err().starts_with("`timeslice` takes a string"));
        }
        assert!(value_of(timeslice, quote!(timeslice = "0ms")).is_err());
    }

    #[test]
    fn a_wrong_choice_lists_the_right_ones() {
        assert_eq!(value_of(priority, quote!(priority = "idle")), Ok(Priority::Idle));
        assert_eq!(
            value_of(priority, quote!(priority = "urgent")).unwrap_err(),
            r#"`priority` takes one of "high", "normal", "low", "idle""#
        );
    }
}
