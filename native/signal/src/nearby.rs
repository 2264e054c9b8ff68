//! What lies near, and what lies in a box, asked for by the API.

use space::{Hit, Nearest, Query};

use crate::SignalError;
use crate::core::Core;
use crate::record::Question;
use crate::rules::{MAX_NEIGHBORS, check_limit};
use crate::system::{LIST_PIECE, SignalSystem};
use crate::token::Token;
use crate::vector::{Vector, decimal, radius_of, scaled, square_limit};

/// Where to look.
#[derive(Debug, Clone, Copy)]
pub enum Around {
    /// Around a point, unscaled.
    Point(Vector),
    /// Around a token, which is not its own neighbour.
    Token(u64),
}

/// Among which tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Those that emits look at.
    Window,
    /// All that exist, one by one.
    All,
}

/// What is looked for.
#[derive(Debug, Clone, Copy)]
pub struct Search<'a> {
    /// Where.
    pub around: Around,
    /// How many at most.
    pub k: usize,
    /// `None`: however far.
    pub radius: Option<f64>,
    /// Of this event type only.
    pub event_type: Option<&'a str>,
    /// Among which.
    pub scope: Scope,
}

/// A live token and how far away it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Neighbor {
    /// The token.
    pub token_id: u64,
    /// Its distance; finite.
    pub distance: f64,
    /// Its interned event type.
    pub event_type: u16,
}

impl From<&Hit> for Neighbor {
    fn from(hit: &Hit) -> Self {
        Self {
            token_id: hit.entry.id,
            distance: decimal(hit.distance()),
            event_type: hit.entry.event_type,
        }
    }
}

/// How many neighbours may be asked for.
pub fn check_k(k: usize) -> Result<(), SignalError> {
    if (1..=MAX_NEIGHBORS).contains(&k) {
        return Ok(());
    }
    Err(SignalError::Argument {
        name: "k",
        expected: "1 to 64",
        came: k.to_string(),
    })
}

fn check_radius(radius: f64) -> Result<f32, SignalError> {
    if radius > 0.0 && radius <= 1e9 {
        return Ok(radius_of(radius));
    }
    Err(SignalError::Argument {
        name: "radius",
        expected: "above 0 and at most 1e9",
        came: radius.to_string(),
    })
}

/// A search whose members were checked and looked up.
struct Target {
    vector: Vector,
    oneself: Option<u64>,
    k: usize,
    is_near: bool,
    limit: f32,
    event_type: Option<u16>,
}

impl Target {
    fn wants(&self, token: &Token) -> bool {
        Some(token.id) != self.oneself
            && self
                .event_type
                .is_none_or(|wanted| wanted == token.event_type)
    }
}

/// The nearest of tokens that are looked at one by one.
#[derive(Default)]
struct Shortlist {
    found: Vec<Neighbor>,
}

impl Shortlist {
    fn offer(&mut self, neighbor: Neighbor, k: usize) {
        let is_full = self.found.len() == k;
        let worst = self.found.last().map_or(0.0, |last| last.distance);
        if is_full && neighbor.distance >= worst {
            return;
        }
        let place = self
            .found
            .partition_point(|other| other.distance <= neighbor.distance);
        self.found.insert(place, neighbor);
        self.found.truncate(k);
    }
}

impl Core {
    fn target(&mut self, now_us: u64, search: &Search<'_>) -> Result<Option<Target>, SignalError> {
        check_k(search.k)?;
        let limit = search.radius.map(check_radius).transpose()?;
        let (vector, oneself) = self.origin(search.around)?;
        self.age_out(now_us);
        let event_type = search.event_type.map(|name| self.interner.find(name));
        // A name that no token has yet.
        if event_type == Some(None) {
            return Ok(None);
        }
        Ok(Some(Target {
            vector,
            oneself,
            k: search.k,
            is_near: limit.is_some(),
            limit: limit.map_or(f32::MAX, square_limit),
            event_type: event_type.flatten(),
        }))
    }

    fn origin(&self, around: Around) -> Result<(Vector, Option<u64>), SignalError> {
        match around {
            Around::Point(vector) => Ok((vector, None)),
            Around::Token(id) => match self.slab.get(id) {
                Some(token) => Ok((token.pos, Some(id))),
                None => Err(SignalError::Argument {
                    name: "token_id",
                    expected: "the id of a live token",
                    came: id.to_string(),
                }),
            },
        }
    }

    fn find_in_window(&self, target: &Target) -> Vec<Neighbor> {
        let Some(index) = &self.index else {
            return self.look_through(target, self.window());
        };
        let query = Query {
            event_type: target.event_type,
            ..Query::around(scaled(&target.vector, &self.config.scales))
        };
        let mut nearest = Nearest::default();
        nearest.start(
            target.k + usize::from(target.oneself.is_some()),
            target.limit,
        );
        index.search(&query, &mut nearest);
        let mut found: Vec<Neighbor> = nearest.hits().iter().map(Neighbor::from).collect();
        found.retain(|neighbor| Some(neighbor.token_id) != target.oneself);
        found.truncate(target.k);
        // Beyond 1.8·10¹⁹ squares leave the range of 32-bit floats: such tokens are found in double precision.
        let may_be_far = !target.is_near && found.len() < target.k;
        if may_be_far && (found.len() as u64) < index.points() {
            return self.look_through(target, self.window());
        }
        found
    }

    fn look_through<'a>(
        &self,
        target: &Target,
        tokens: impl Iterator<Item = &'a Token>,
    ) -> Vec<Neighbor> {
        let mut shortlist = Shortlist::default();
        self.look_at(target, tokens, &mut shortlist);
        shortlist.found
    }

    fn look_at<'a>(
        &self,
        target: &Target,
        tokens: impl Iterator<Item = &'a Token>,
        shortlist: &mut Shortlist,
    ) {
        let point = scaled(&target.vector, &self.config.scales);
        for token in tokens.filter(|token| target.wants(token)) {
            let other = scaled(&token.pos, &self.config.scales);
            let square = space::square_between(&point, &other);
            if target.is_near && square > target.limit {
                continue;
            }
            let distance = if square.is_finite() {
                decimal(square.sqrt())
            } else {
                wide_distance(&point, &other)
            };
            let neighbor = Neighbor {
                token_id: token.id,
                distance,
                event_type: token.event_type,
            };
            shortlist.offer(neighbor, target.k);
        }
    }

    /// The scaled distance, in double precision where single has no room.
    pub fn distance(&self, a: &Vector, b: &Vector) -> f64 {
        let [a, b] = [a, b].map(|vector| scaled(vector, &self.config.scales));
        let square = space::square_between(&a, &b);
        if square.is_finite() {
            decimal(square.sqrt())
        } else {
            wide_distance(&a, &b)
        }
    }

    fn inside(&self, lo: &Vector, hi: &Vector) -> Vec<u64> {
        let holds = |token: &Token| {
            let sides = lo.iter().zip(hi).zip(&token.pos);
            sides.into_iter().all(|((lo, hi), x)| lo <= x && x <= hi)
        };
        let Some(index) = &self.index else {
            let window = self.window().filter(|token| holds(token));
            return window.map(|token| token.id).collect();
        };
        let mut found = Vec::new();
        let [lo, hi] = [lo, hi].map(|corner| scaled(corner, &self.config.scales));
        index.visit_box(&lo, &hi, &mut |entry| {
            // Scaling rounds: the token itself decides.
            if self.slab.get(entry.id).is_some_and(holds) {
                found.push(entry.id);
            }
        });
        found
    }
}

fn wide_distance(a: &Vector, b: &Vector) -> f64 {
    let offsets = a.iter().zip(b).map(|(x, y)| f64::from(*y) - f64::from(*x));
    offsets.map(|offset| offset * offset).sum::<f64>().sqrt()
}

fn check_box(lo: &Vector, hi: &Vector) -> Result<(), SignalError> {
    match lo.iter().zip(hi).position(|(lo, hi)| lo > hi) {
        None => Ok(()),
        Some(axis) => Err(SignalError::Argument {
            name: "hi",
            expected: "at least lo on every axis",
            came: format!("lo[{axis}]={} and hi[{axis}]={}", lo[axis], hi[axis]),
        }),
    }
}

impl SignalSystem {
    /// The nearest live tokens, ascending.
    pub fn find_neighbors(
        &self,
        now_us: u64,
        search: &Search<'_>,
    ) -> Result<Vec<Neighbor>, SignalError> {
        let target = self.with(|core| {
            let target = core.target(now_us, search)?;
            let found = match (&target, search.scope) {
                (Some(target), Scope::Window) => core.find_in_window(target),
                _ => Vec::new(),
            };
            Ok((target, found, core.slab.last()))
        })?;
        match target {
            (Some(target), _, newest) if search.scope == Scope::All => {
                self.find_among_all(&target, newest)
            }
            (_, found, _) => Ok(found),
        }
    }

    /// In pieces, so that others get their turn in between.
    fn find_among_all(&self, target: &Target, newest: u64) -> Result<Vec<Neighbor>, SignalError> {
        let mut shortlist = Shortlist::default();
        let mut from = 1;
        while from <= newest {
            from = self.with(|core| {
                let start = from.max(core.slab.first());
                let end = start.saturating_add(LIST_PIECE).min(newest + 1);
                let tokens = (start..end).filter_map(|id| core.slab.get(id));
                core.look_at(target, tokens, &mut shortlist);
                Ok(end.max(start))
            })?;
        }
        Ok(shortlist.found)
    }

    /// The live tokens of the window in a box, its borders included: at most `limit`, the newest first.
    pub fn range_query(
        &self,
        now_us: u64,
        lo: &Vector,
        hi: &Vector,
        limit: usize,
    ) -> Result<Vec<u64>, SignalError> {
        check_limit(limit)?;
        check_box(lo, hi)?;
        let mut found = self.with(|core| {
            core.age_out(now_us);
            Ok(core.inside(lo, hi))
        })?;
        found.sort_unstable_by(|a, b| b.cmp(a));
        found.truncate(limit);
        Ok(found)
    }

    /// Count a question that was answered; one in a hundred becomes an event.
    pub fn note_question(&self, question: Question) -> Result<(), SignalError> {
        self.with(|core| {
            core.note_question(question);
            Ok(())
        })
    }
}
