//! Patterns of event names (F6), matched without backtracking: with at most two `**` the parts around them have fixed places,
//! and the one between them is looked for once.

/// What stands between two dots.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Any,
    Is(Box<str>),
}

impl Part {
    fn fits(&self, segment: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Is(literal) => **literal == *segment,
        }
    }
}

/// Runs of segments with `**` between them: one, two or three.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob {
    runs: Vec<Vec<Part>>,
}

/// `**` in one pattern.
const MAX_STARS: usize = 2;
/// Segments of an event name (M16).
const MAX_SEGMENTS: usize = 16;

impl Glob {
    /// A pattern, or what was expected of it.
    pub fn parse(pattern: &str) -> Result<Self, &'static str> {
        let mut runs = vec![Vec::new()];
        for segment in pattern.split('.') {
            let part = match segment {
                "" => return Err("segments of at least one character, joined by dots"),
                "**" if runs.len() > MAX_STARS => return Err("at most two ** in a pattern"),
                "**" => {
                    runs.push(Vec::new());
                    continue;
                }
                "*" => Part::Any,
                other if other.contains('*') => {
                    return Err("a * or ** that stands alone between dots");
                }
                literal => Part::Is(literal.into()),
            };
            if let Some(run) = runs.last_mut() {
                run.push(part);
            }
        }
        Ok(Self { runs })
    }

    /// Bytes that it holds apart from itself.
    pub fn held(&self) -> usize {
        let runs = self.runs.iter().flatten().map(|part| match part {
            Part::Any => size_of::<Part>(),
            Part::Is(literal) => size_of::<Part>() + literal.len(),
        });
        self.runs.capacity() * size_of::<Vec<Part>>() + runs.sum::<usize>()
    }

    /// Whether an event is called so.
    pub fn matches(&self, event: &str) -> bool {
        let mut segments = [""; MAX_SEGMENTS];
        let mut count = 0;
        for segment in event.split('.') {
            match segments.get_mut(count) {
                Some(place) => *place = segment,
                // No event has more (M16).
                None => return false,
            }
            count += 1;
        }
        self.fits(segments.get(..count).unwrap_or_default())
    }

    fn fits(&self, segments: &[&str]) -> bool {
        let Some((first, rest)) = self.runs.split_first() else {
            return false;
        };
        let Some((last, middle)) = rest.split_last() else {
            return segments.len() == first.len() && begins(segments, first);
        };
        let Some(between) = segments.len().checked_sub(first.len() + last.len()) else {
            return false;
        };
        let (head, tail) = segments.split_at(first.len());
        let (inner, tail) = tail.split_at(between);
        begins(head, first) && begins(tail, last) && middle.iter().all(|run| has(inner, run))
    }

    /// What the names that it matches begin with, and whether that is all of them.
    pub fn start(&self) -> (String, bool) {
        let first = self.runs.first().map_or(&[][..], |run| run);
        let literals = first.iter().map_while(|part| match part {
            Part::Is(literal) => Some(&**literal),
            Part::Any => None,
        });
        let literals: Vec<&str> = literals.collect();
        let is_whole = self.runs.len() == 1 && literals.len() == first.len();
        (literals.join("."), is_whole)
    }

    /// The pattern as it was written.
    pub fn text(&self) -> String {
        let part = |part: &Part| match part {
            Part::Any => "*".to_owned(),
            Part::Is(literal) => literal.to_string(),
        };
        let runs = self.runs.iter().map(|run| run.iter().map(part).collect());
        let runs: Vec<Vec<String>> = runs.collect();
        runs.join(&"**".to_owned()).join(".")
    }
}

fn begins(segments: &[&str], run: &[Part]) -> bool {
    segments.len() >= run.len() && run.iter().zip(segments).all(|(part, one)| part.fits(one))
}

fn has(segments: &[&str], run: &[Part]) -> bool {
    run.is_empty()
        || segments
            .windows(run.len())
            .any(|window| begins(window, run))
}
