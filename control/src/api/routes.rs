//! The routes of the API as a list beside the router that serves them, so that whoever must know them all, such as
//! the OpenAPI document or a test that walks them, cannot forget one.

use axum::Router;
use axum::handler::Handler;
use axum::routing::{MethodRouter, delete, get, patch, post, put};

use super::Api;
use super::openapi::{Described, Operation};

/// One method of one path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Route {
    /// The method, such as `GET`.
    pub method: &'static str,
    /// The path, with its parameters in braces.
    pub path: &'static str,
}

/// A route as the document tells of it.
pub(super) struct Entry {
    pub(super) route: Route,
    /// What it does, in one line.
    pub(super) about: &'static str,
    /// Tells of what its handler takes and returns.
    pub(super) describe: fn(&mut Operation<'_>),
}

/// A router that knows what it serves.
#[derive(Default)]
pub(super) struct Routes {
    router: Router<Api>,
    list: Vec<Entry>,
}

impl Routes {
    pub(super) fn get<T: 'static, D, H>(self, path: &'static str, handler: H) -> Self
    where
        H: Handler<T, Api> + Described<D>,
    {
        self.with(Route { method: "GET", path }, <H as Described<D>>::describe, get(handler))
    }

    pub(super) fn post<T: 'static, D, H>(self, path: &'static str, handler: H) -> Self
    where
        H: Handler<T, Api> + Described<D>,
    {
        self.with(Route { method: "POST", path }, <H as Described<D>>::describe, post(handler))
    }

    pub(super) fn patch<T: 'static, D, H>(self, path: &'static str, handler: H) -> Self
    where
        H: Handler<T, Api> + Described<D>,
    {
        self.with(Route { method: "PATCH", path }, <H as Described<D>>::describe, patch(handler))
    }

    pub(super) fn delete<T: 'static, D, H>(self, path: &'static str, handler: H) -> Self
    where
        H: Handler<T, Api> + Described<D>,
    {
        self.with(Route { method: "DELETE", path }, <H as Described<D>>::describe, delete(handler))
    }

    pub(super) fn put<T: 'static, D, H>(self, path: &'static str, handler: H) -> Self
    where
        H: Handler<T, Api> + Described<D>,
    {
        self.with(Route { method: "PUT", path }, <H as Described<D>>::describe, put(handler))
    }

    /// Says what the route before it does, in one line.
    pub(super) fn about(mut self, about: &'static str) -> Self {
        if let Some(entry) = self.list.last_mut() {
            entry.about = about;
        }
        self
    }

    fn with(mut self, route: Route, describe: fn(&mut Operation<'_>), served: MethodRouter<Api>) -> Self {
        self.list.push(Entry { route, about: "", describe });
        Self { router: self.router.route(route.path, served), list: self.list }
    }

    pub(super) fn merge(mut self, other: Self) -> Self {
        self.list.extend(other.list);
        Self { router: self.router.merge(other.router), list: self.list }
    }

    /// The routes, each once.
    pub(super) fn list(&self) -> &[Entry] {
        &self.list
    }

    /// What serves them.
    pub(super) fn into_router(self) -> Router<Api> {
        self.router
    }
}
