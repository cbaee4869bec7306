//! Secrets of scripts: no script is handed one, so it reads them from variables.
//!
//! `mysql -phunter22`, of which the secret was taken, becomes `mysql -p"${SECRET_LOAD_PASSWORD}"`, and the task gets
//! `env: { SECRET_LOAD_PASSWORD: ${secret:load-password} }`.

use indexmap::IndexMap;
use porpoise_model::workflow::{Kind, Task};

const OPEN: &str = "${secret:";

/// Gives a script task variables for the references in its script. Tells whether all of them could be replaced.
pub(super) fn variables(task: &mut Task) -> bool {
    let (script, reads): (_, Reads) = if let Kind::Shell { script } = &mut task.kind {
        (script, shell)
    } else if let Kind::Python { script } = &mut task.kind {
        (script, python)
    } else {
        return true;
    };
    if !script.contains(OPEN) {
        return true;
    }
    let mut whole = true;
    let mut done = String::with_capacity(script.len());
    let mut rest = script.as_str();
    let mut env = IndexMap::new();
    while let Some((before, after)) = rest.split_once(OPEN) {
        let Some((name, after)) = after.split_once('}') else {
            break;
        };
        done.push_str(before);
        let variable = variable(name);
        let reference = format!("{OPEN}{name}}}");
        rest = after;
        let Some(read) = reads(&done, after, &variable) else {
            whole = false;
            done.push_str(&reference);
            continue;
        };
        done.truncate(done.len() - read.quotes);
        done.push_str(&read.text);
        rest = after.get(read.quotes..).unwrap_or_default();
        env.insert(variable, reference);
    }
    done.push_str(rest);
    *script = done;
    task.env.extend(env);
    whole
}

/// What stands in the place of a reference to a secret, by the text before and after it and the variable.
type Reads = fn(&str, &str, &str) -> Option<Read>;

/// What reads a variable, and how many bytes of quotes around it go.
struct Read {
    text: String,
    quotes: usize,
}

fn variable(name: &str) -> String {
    let word = |c: char| {
        if c.is_ascii_alphanumeric() {
            c.to_ascii_uppercase()
        } else {
            '_'
        }
    };
    format!("SECRET_{}", name.chars().map(word).collect::<String>())
}

#[expect(clippy::unnecessary_wraps, reason = "has the form of its sibling")]
fn shell(before: &str, _: &str, variable: &str) -> Option<Read> {
    let text = match quotes(before) {
        Quotes::None if !before.contains("<<") => format!("\"${{{variable}}}\""),
        Quotes::None | Quotes::Double => format!("${{{variable}}}"),
        Quotes::Single => format!("'\"${{{variable}}}\"'"),
    };
    Some(Read { text, quotes: 0 })
}

/// Only a literal that is nothing but the secret.
fn python(before: &str, after: &str, variable: &str) -> Option<Read> {
    let quote = before
        .chars()
        .next_back()
        .filter(|c| matches!(c, '"' | '\''))?;
    let opens = before.strip_suffix(quote)?;
    let is_alone = after.starts_with(quote)
        && !opens.ends_with(|c: char| c == quote || c == '\\' || c.is_alphanumeric())
        && !after.get(1..)?.starts_with(quote);
    is_alone.then(|| Read {
        text: format!("__import__(\"os\").environ[\"{variable}\"]"),
        quotes: 1,
    })
}

#[derive(Clone, Copy)]
enum Quotes {
    None,
    Single,
    Double,
}

/// In what quotes the end of a part of a shell script stands.
fn quotes(script: &str) -> Quotes {
    let mut state = Quotes::None;
    let mut is_start = true;
    let mut chars = script.chars();
    while let Some(c) = chars.next() {
        state = match (state, c) {
            (Quotes::None | Quotes::Double, '\\') => {
                chars.next();
                state
            }
            (Quotes::None, '#') if is_start => {
                chars.by_ref().find(|c| *c == '\n');
                state
            }
            (Quotes::None, '\'') => Quotes::Single,
            (Quotes::None, '"') => Quotes::Double,
            (Quotes::Single, '\'') | (Quotes::Double, '"') => Quotes::None,
            _ => state,
        };
        is_start = c.is_whitespace() || c == ';' || c == '#';
    }
    state
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(kind: Kind) -> (String, Vec<String>, bool) {
        let mut task = Task::new("t".parse().unwrap(), kind);
        let whole = variables(&mut task);
        let env = task.env.iter().map(|(key, value)| format!("{key}={value}"));
        let env = env.collect();
        let (Kind::Shell { script } | Kind::Python { script }) = task.kind else {
            panic!()
        };
        (script, env, whole)
    }

    #[test]
    fn shells_read_variables_whatever_quotes_they_stand_in() {
        let script = |text: &str| {
            script(Kind::Shell {
                script: text.to_owned(),
            })
        };
        let (text, env, whole) = script(
            "a=${secret:x-1} # don't\nb=\"q${secret:y}q\"; c='q${secret:x-1}q'\ncat <<E\n${secret:y}\nE\n",
        );
        assert_eq!(
            text,
            "a=\"${SECRET_X_1}\" # don't\nb=\"q${SECRET_Y}q\"; c='q'\"${SECRET_X_1}\"'q'\ncat <<E\n${SECRET_Y}\nE\n"
        );
        assert_eq!(env, ["SECRET_X_1=${secret:x-1}", "SECRET_Y=${secret:y}"]);
        assert!(whole);
        assert_eq!(script("echo ${HOME}").1, Vec::<String>::new());
    }

    #[test]
    fn python_reads_variables_where_a_literal_is_the_secret() {
        let script = |text: &str| {
            script(Kind::Python {
                script: text.to_owned(),
            })
        };
        let (text, env, whole) = script("p = '${secret:x}'\n");
        assert_eq!(text, "p = __import__(\"os\").environ[\"SECRET_X\"]\n");
        assert_eq!(env, ["SECRET_X=${secret:x}"]);
        assert!(whole);
        for text in [
            "u = 'mysql://a:${secret:x}@db'",
            "p = f'${secret:x}'",
            "p = '''${secret:x}'''",
        ] {
            assert_eq!(script(text), (text.to_owned(), Vec::new(), false));
        }
    }
}
