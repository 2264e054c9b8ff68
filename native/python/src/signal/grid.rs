//! Token connections and questions to the grid: a second block of methods of `SignalSystem`.

use std::time::Instant;

use pyo3::prelude::*;
use pyo3::types::PyDict;
use signal::{NewConnection, Question, Scope, Search, SignalError, SignalSystem, check_pull};

use super::arguments::{TokenId, around, count_of};
use super::clock::now_us;
use super::connection::TokenConnection;
use super::neighbor::Neighbor;
use super::system::PySignalSystem;
use super::vector;
use crate::error::refusal;

fn scope_of(scope: &str) -> PyResult<Scope> {
    match scope {
        "window" => Ok(Scope::Window),
        "all" => Ok(Scope::All),
        _ => Err(refusal(SignalError::Argument {
            name: "scope",
            expected: "\"window\" or \"all\"",
            came: format!("{scope:?}"),
        })),
    }
}

fn note(
    system: &SignalSystem,
    start: Instant,
    k: usize,
    radius: Option<f64>,
    hits: usize,
) -> Result<(), SignalError> {
    system.note_question(Question {
        k,
        radius,
        hits,
        us: start.elapsed().as_secs_f64() * 1e6,
    })
}

fn objects(found: Vec<signal::NamedConnection>) -> Vec<TokenConnection> {
    found.into_iter().map(TokenConnection).collect()
}

#[pymethods]
impl PySignalSystem {
    #[pyo3(
        signature = (token_a, token_b, *, kind = "similar", pull_strength = 1.0),
        text_signature = "($self, /, token_a, token_b, *, kind='similar', pull_strength=1.0)"
    )]
    fn create_connection(
        &self,
        py: Python<'_>,
        token_a: TokenId,
        token_b: TokenId,
        kind: &str,
        pull_strength: f64,
    ) -> PyResult<u64> {
        let new = NewConnection {
            token_a: token_a.0,
            token_b: token_b.0,
            kind,
            pull_strength: check_pull(pull_strength).map_err(refusal)?,
        };
        self.brief(py, |system| system.create_connection(new))
    }

    fn get_connection(
        &self,
        py: Python<'_>,
        connection_id: TokenId,
    ) -> PyResult<Option<TokenConnection>> {
        let found = self.brief(py, |system| system.get_connection(connection_id.0))?;
        Ok(found.map(TokenConnection))
    }

    #[pyo3(signature = (connection_id, *, pull_strength))]
    fn update_connection(
        &self,
        py: Python<'_>,
        connection_id: TokenId,
        pull_strength: f64,
    ) -> PyResult<bool> {
        let pull_strength = check_pull(pull_strength).map_err(refusal)?;
        self.brief(py, |system| {
            system.update_connection(connection_id.0, pull_strength)
        })
    }

    fn delete_connection(&self, py: Python<'_>, connection_id: TokenId) -> PyResult<bool> {
        self.brief(py, |system| system.delete_connection(connection_id.0))
    }

    #[pyo3(signature = (*, limit = 100, before = None))]
    fn list_connections(
        &self,
        py: Python<'_>,
        limit: i64,
        before: Option<TokenId>,
    ) -> PyResult<Vec<TokenConnection>> {
        let limit = count_of("limit", "0 to 10000", limit)?;
        let before = before.map(|id| id.0);
        self.long(py, |system| system.list_connections(limit, before))
            .map(objects)
    }

    fn count_connections(&self, py: Python<'_>) -> PyResult<u64> {
        self.brief(py, SignalSystem::count_connections)
    }

    fn get_connections_for_token(
        &self,
        py: Python<'_>,
        token_id: TokenId,
    ) -> PyResult<Vec<TokenConnection>> {
        self.long(py, |system| system.connections_of(token_id.0))
            .map(objects)
    }

    #[pyo3(
        signature = (vector_or_id, k = 10, radius = None, *, event_type = None, scope = "window"),
        text_signature = "($self, /, vector_or_id, k=10, radius=None, *, event_type=None, scope='window')"
    )]
    #[allow(clippy::too_many_arguments)] // a public call names its options
    fn find_neighbors(
        &self,
        py: Python<'_>,
        vector_or_id: &Bound<'_, PyAny>,
        k: i64,
        radius: Option<f64>,
        event_type: Option<&str>,
        scope: &str,
    ) -> PyResult<Vec<Neighbor>> {
        let search = Search {
            around: around(vector_or_id)?,
            k: count_of("k", "1 to 64", k)?,
            radius,
            event_type,
            scope: scope_of(scope)?,
        };
        let ask = |system: &SignalSystem| {
            let start = Instant::now();
            let found = system.find_neighbors(now_us(), &search)?;
            note(system, start, search.k, radius, found.len())?;
            Ok(found)
        };
        let found = match search.scope {
            Scope::Window => self.brief(py, ask)?,
            Scope::All => self.long(py, ask)?,
        };
        let neighbor = |found| self.naming.of_found(found);
        Ok(found.iter().map(neighbor).collect())
    }

    #[pyo3(signature = (lo, hi, limit = 1000))]
    fn range_query(
        &self,
        py: Python<'_>,
        lo: &Bound<'_, PyAny>,
        hi: &Bound<'_, PyAny>,
        limit: i64,
    ) -> PyResult<Vec<u64>> {
        let (lo, hi) = (vector::one(lo)?, vector::one(hi)?);
        let limit = count_of("limit", "0 to 10000", limit)?;
        self.long(py, |system| {
            let start = Instant::now();
            let found = system.range_query(now_us(), &lo, &hi, limit)?;
            note(system, start, limit, None, found.len())?;
            Ok(found)
        })
    }

    fn get_grid_info<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let info = self.brief(py, SignalSystem::index_info)?;
        let dict = PyDict::new(py);
        dict.set_item("window", self.system.index_window())?;
        dict.set_item("points", info.points)?;
        dict.set_item("buckets", info.buckets)?;
        dict.set_item("fill", info.fill)?;
        dict.set_item("depth", info.depth)?;
        dict.set_item("bytes", info.bytes)?;
        dict.set_item("radius", self.naming.neighbor_radius)?;
        Ok(dict)
    }
}
