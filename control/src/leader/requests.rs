//! What the leader does about a request of its own process. It answers none that another process asks: those come by the
//! questions in the database.

use std::collections::BTreeMap;

use super::handle::LeaderRequest;
use super::question::Answer;
use super::reign::Reign;
use super::self_check;
use super::tries::TryRequest;

impl Reign<'_> {
    /// Does what is requested. An error ends the leadership.
    pub(super) async fn answer(&mut self, request: LeaderRequest) -> anyhow::Result<()> {
        match request {
            LeaderRequest::Test(request) => {
                let now = self.now();
                self.tests.begin(&mut self.state, request, now);
            }
            LeaderRequest::Try(request) => self.begin_try(*request).await,
            LeaderRequest::Upgrade(orders) => self.state.order_upgrades(&orders),
            LeaderRequest::SelfCheck(asked) => {
                self.follow_config(self.now()).await?;
                self.commit().await?;
                let now = self.now();
                self.state.tidy(now.wall);
                self.state.pass_turns(now.wall);
                let found = self_check::run(&self.config.store, &self.state, self.config.proving, now).await;
                // Whoever asked may have gone.
                let _ = asked.send(found.map_err(|error| format!("{error:#}")));
            }
        }
        Ok(())
    }

    /// Opens the secrets that a config names, and has it tried. Whatever is wrong with them ends no leadership.
    async fn begin_try(&mut self, request: TryRequest) {
        let now = self.now();
        let opened = match request.question.secrets.is_empty() {
            true => Ok(BTreeMap::new()),
            false => self.config.vault.values(request.question.tenant, now.wall).await,
        };
        match opened {
            Ok(values) => self.tries.begin(&mut self.state, request, &values, now),
            Err(error) => {
                let reason = format!("the secrets of this tenant cannot be opened: {error:#}");
                // Whoever asked may have gone.
                let _ = request.asked.send(Err(Answer::unable(reason)));
            }
        }
    }
}
