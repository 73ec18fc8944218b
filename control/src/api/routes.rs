//! The routes of the API as a list beside the router that serves them, so that whoever must know them all, such as
//! a test that walks them, cannot forget one.

use axum::Router;
use axum::handler::Handler;
use axum::routing::{MethodRouter, delete, get, patch, post};

use super::Api;

/// One method of one path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Route {
    /// The method, such as `GET`.
    pub method: &'static str,
    /// The path, with its parameters in braces.
    pub path: &'static str,
}

/// A router that knows what it serves.
#[derive(Default)]
pub(super) struct Routes {
    router: Router<Api>,
    list: Vec<Route>,
}

impl Routes {
    pub(super) fn get<T: 'static>(self, path: &'static str, handler: impl Handler<T, Api>) -> Self {
        self.with(Route { method: "GET", path }, get(handler))
    }

    pub(super) fn post<T: 'static>(self, path: &'static str, handler: impl Handler<T, Api>) -> Self {
        self.with(Route { method: "POST", path }, post(handler))
    }

    pub(super) fn patch<T: 'static>(self, path: &'static str, handler: impl Handler<T, Api>) -> Self {
        self.with(Route { method: "PATCH", path }, patch(handler))
    }

    pub(super) fn delete<T: 'static>(self, path: &'static str, handler: impl Handler<T, Api>) -> Self {
        self.with(Route { method: "DELETE", path }, delete(handler))
    }

    fn with(mut self, route: Route, served: MethodRouter<Api>) -> Self {
        self.list.push(route);
        Self { router: self.router.route(route.path, served), list: self.list }
    }

    pub(super) fn merge(mut self, other: Self) -> Self {
        self.list.extend(other.list);
        Self { router: self.router.merge(other.router), list: self.list }
    }

    /// The routes, each once.
    pub(super) fn list(self) -> Vec<Route> {
        self.list
    }

    /// What serves them.
    pub(super) fn into_router(self) -> Router<Api> {
        self.router
    }
}
