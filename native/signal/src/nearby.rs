//! What lies near, asked for by the API.

use crate::SignalError;
use crate::core::Core;
use crate::index::{Hit, Nearest};
use crate::rules::MAX_NEIGHBORS;
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

/// A live token of the window and how far away it is.
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

impl Core {
    /// The `k` nearest live tokens of the window, within `radius` or however far.
    pub fn find_neighbors(
        &mut self,
        now_us: u64,
        around: Around,
        k: usize,
        radius: Option<f64>,
    ) -> Result<Vec<Neighbor>, SignalError> {
        check_k(k)?;
        let limit = radius
            .map(check_radius)
            .transpose()?
            .map_or(f32::MAX, square_limit);
        let (vector, oneself) = self.origin(around)?;
        self.age_out(now_us);
        let point = scaled(&vector, &self.config.scales);
        let mut found = self.near(&point, k + usize::from(oneself.is_some()), limit);
        found.retain(|neighbor| Some(neighbor.token_id) != oneself);
        if radius.is_none() {
            self.add_far(&point, k, oneself, &mut found);
        }
        found.truncate(k);
        Ok(found)
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

    fn near(&mut self, point: &Vector, k: usize, limit: f32) -> Vec<Neighbor> {
        let mut nearest = Nearest::default();
        nearest.start(k, limit);
        match &mut self.index {
            Some(index) => index.search(point, &mut nearest),
            None => self.scan(point, &mut nearest),
        }
        nearest.hits().iter().map(Neighbor::from).collect()
    }

    /// Without an index, the window itself is looked through.
    fn scan(&self, point: &Vector, nearest: &mut Nearest) {
        for token in self.window() {
            let other = scaled(&token.pos, &self.config.scales);
            let square = point
                .iter()
                .zip(&other)
                .fold(0.0, |sum, (x, y)| sum + (y - x) * (y - x));
            nearest.offer(Hit {
                entry: crate::tokens::entry_of(token),
                square,
            });
        }
    }

    /// Beyond 1.8·10¹⁹ squares leave the range of 32-bit floats: such tokens are found in double precision.
    fn add_far(&self, point: &Vector, k: usize, oneself: Option<u64>, found: &mut Vec<Neighbor>) {
        let all = self.index.as_ref().map_or(u64::MAX, |index| index.points());
        if found.len() >= k || found.len() as u64 + u64::from(oneself.is_some()) >= all {
            return;
        }
        let is_new = |token: &&Token| {
            Some(token.id) != oneself && found.iter().all(|n| n.token_id != token.id)
        };
        let mut far: Vec<Neighbor> = self
            .window()
            .filter(is_new)
            .map(|token| self.far(point, token))
            .collect();
        far.sort_by(|a, b| a.distance.total_cmp(&b.distance));
        far.truncate(k - found.len());
        found.append(&mut far);
    }

    fn far(&self, point: &Vector, token: &Token) -> Neighbor {
        let other = scaled(&token.pos, &self.config.scales);
        let offsets = point
            .iter()
            .zip(&other)
            .map(|(x, y)| f64::from(*y) - f64::from(*x));
        Neighbor {
            token_id: token.id,
            distance: offsets.map(|offset| offset * offset).sum::<f64>().sqrt(),
            event_type: token.event_type,
        }
    }
}
