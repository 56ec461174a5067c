//! Form bodies and queries whose brackets nest: `line_items[0][price_data][currency]=cny`, `expand[]=payment_intent`.
//!
//! Deliberately not here: what the parameters mean.

use serde_json::{Map, Value};

use super::Refusal;

/// Parameters nested deeper are an attack, not a request.
const DEPTH_MAX: usize = 8;

/// The parameters of a request; every value is text.
pub(super) struct Form(Value);

impl Form {
    /// Reads a body or a query; a parameter that is not in `known` (its outermost name) is refused by name.
    pub(super) fn read(text: &[u8], known: &[&str]) -> Result<Self, Refusal> {
        let mut root = Value::Object(Map::new());
        for (name, value) in url::form_urlencoded::parse(text) {
            let path = path(&name).ok_or_else(|| unknown(&name))?;
            if !path.first().is_some_and(|first| known.contains(first) || *first == "expand") {
                return Err(unknown(path.first().copied().unwrap_or(&name)));
            }
            place(&mut root, &path, &value);
        }
        Ok(Self(listed(root)))
    }

    /// The value at `a.b.0.c`.
    pub(super) fn at(&self, path: &str) -> &Value {
        path.split('.').fold(&self.0, |value, name| match value {
            Value::Array(items) => name.parse().ok().and_then(|at: usize| items.get(at)).unwrap_or(&Value::Null),
            other => &other[name],
        })
    }

    /// The text at a path; empty when absent.
    pub(super) fn text(&self, path: &str) -> &str {
        self.at(path).as_str().unwrap_or_default()
    }

    /// The text at a path, which must be there.
    pub(super) fn required(&self, path: &str) -> Result<&str, Refusal> {
        match self.text(path) {
            "" => Err(Refusal::param(
                &bracketed(path),
                "parameter_missing",
                format!("Missing required param: {}.", bracketed(path)),
            )),
            text => Ok(text),
        }
    }

    /// The integer at a path; none when absent.
    pub(super) fn integer(&self, path: &str) -> Result<Option<i64>, Refusal> {
        match self.text(path) {
            "" => Ok(None),
            text => text.parse().map(Some).map_err(|_| {
                Refusal::param(&bracketed(path), "parameter_invalid_integer", format!("Invalid integer: {text}"))
            }),
        }
    }

    /// Text under the merchant's own keys, at most fifty.
    pub(super) fn metadata(&self, path: &str) -> Result<Value, Refusal> {
        let Some(fields) = self.at(path).as_object() else { return Ok(Value::Object(Map::new())) };
        let fits = |(key, value): (&String, &Value)| {
            key.chars().count() <= 40 && value.as_str().is_some_and(|text| text.chars().count() <= 500)
        };
        if fields.len() <= 50 && fields.iter().all(fits) {
            return Ok(Value::Object(fields.clone()));
        }
        Err(Refusal::param(&bracketed(path), "parameter_invalid", "Metadata is too long or not text"))
    }

    /// What the answer shall carry in full.
    pub(super) fn expand(&self) -> Vec<String> {
        let list = self.at("expand").as_array().into_iter().flatten();
        list.filter_map(Value::as_str).map(str::to_owned).collect()
    }
}

fn unknown(name: &str) -> Refusal {
    Refusal::param(name, "parameter_unknown", format!("Received unknown parameter: {name}"))
}

fn bracketed(path: &str) -> String {
    let mut parts = path.split('.');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |name, part| format!("{name}[{part}]"))
}

fn path(name: &str) -> Option<Vec<&str>> {
    let Some((first, rest)) = name.split_once('[') else { return Some(vec![name]) };
    let rest = rest.strip_suffix(']')?;
    let path: Vec<&str> = std::iter::once(first).chain(rest.split("][")).collect();
    (path.len() <= DEPTH_MAX && !path.iter().any(|part| part.contains(['[', ']']))).then_some(path)
}

fn place(at: &mut Value, path: &[&str], value: &str) {
    let Some((name, rest)) = path.split_first() else {
        *at = Value::String(value.to_owned());
        return;
    };
    if !at.is_object() {
        *at = Value::Object(Map::new());
    }
    let Some(fields) = at.as_object_mut() else { return };
    let name = if name.is_empty() { fields.len().to_string() } else { (*name).to_owned() };
    place(fields.entry(name).or_insert(Value::Null), rest, value);
}

/// Turns what is numbered from zero into lists.
fn listed(value: Value) -> Value {
    let Value::Object(fields) = value else { return value };
    let fields: Map<String, Value> = fields.into_iter().map(|(name, value)| (name, listed(value))).collect();
    let numbered: Option<Vec<Value>> = (0..fields.len()).map(|at| fields.get(&at.to_string()).cloned()).collect();
    match numbered {
        Some(items) if !items.is_empty() => Value::Array(items),
        Some(_) | None => Value::Object(fields),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn brackets_nest_and_numbers_make_lists() {
        let text = "mode=payment&line_items[0][price_data][currency]=cny&line_items%5B0%5D%5Bquantity%5D=2&expand[]=a&expand[]=b.c&metadata[k]=%E6%99%BA";
        let form = Form::read(text.as_bytes(), &["mode", "line_items", "metadata"]).ok().unwrap();
        assert_eq!(form.text("line_items.0.price_data.currency"), "cny");
        assert_eq!(form.integer("line_items.0.quantity").ok().unwrap(), Some(2));
        assert_eq!(form.expand(), ["a", "b.c"]);
        assert_eq!(form.metadata("metadata").ok().unwrap(), json!({"k": "智"}));
        assert_eq!(form.text("line_items.1.quantity"), "");
    }

    #[test]
    fn what_is_not_known_or_not_closed_is_refused() {
        for text in ["card[number]=4", "mode[=x", "mode[a]b=x", &format!("mode{}=x", "[a]".repeat(9))] {
            assert!(Form::read(text.as_bytes(), &["mode"]).is_err(), "{text}");
        }
    }
}
