//! What is done with connectors by which work is planned.

use crate::connector::Operation;
use crate::project::{IssueChanges, NewIssue, ProjectInfo, Summary};
use crate::{Asker, Connectors, Done, Error, Item, Items, Page, Wanted};

impl Connectors {
    /// A page of projects.
    pub async fn projects(
        &self,
        asker: &Asker,
        id: &str,
        wanted: &Wanted,
    ) -> Result<Done<Page<ProjectInfo>>, Error> {
        let turn = self.turn(asker, id, (Operation::Projects, ""), wanted).await?;
        let work = turn.ready.project()?.projects(&turn.ready.context, &turn.listing);
        let page = self.turned(asker, &turn, work).await?;
        Ok(turn.ready.done(page))
    }

    /// A project.
    pub async fn project(
        &self,
        asker: &Asker,
        id: &str,
        project: &str,
        raw: bool,
    ) -> Result<Done<ProjectInfo>, Error> {
        let ready = self.ready(asker, id, Operation::Project, raw).await?;
        let work = ready.project()?.project(&ready.context, project);
        let found = self.begin(asker, &ready).finish(work).await?;
        Ok(ready.done(found))
    }

    /// A page of a project's issues.
    pub async fn issues(
        &self,
        asker: &Asker,
        id: &str,
        project: &str,
        wanted: &Wanted,
    ) -> Result<Done<Items>, Error> {
        let turn = self.turn(asker, id, (Operation::Issues, project), wanted).await?;
        let work = turn.ready.project()?.issues(&turn.ready.context, project, &turn.listing);
        let page = self.turned(asker, &turn, work).await?;
        Ok(turn.ready.done(page))
    }

    /// An issue.
    pub async fn issue(&self, asker: &Asker, id: &str, issue: &str, raw: bool) -> Result<Done<Item>, Error> {
        let ready = self.ready(asker, id, Operation::Issue, raw).await?;
        let work = ready.project()?.issue(&ready.context, issue);
        let found = self.begin(asker, &ready).finish(work).await?;
        Ok(ready.done(found))
    }

    /// Makes an issue.
    pub async fn create_issue(&self, asker: &Asker, id: &str, issue: &NewIssue) -> Result<Done<Item>, Error> {
        let ready = self.ready(asker, id, Operation::CreateIssue, false).await?;
        let work = ready.project()?.create_issue(&ready.context, issue);
        let made = self.begin(asker, &ready).finish(work).await?;
        Ok(ready.done(made))
    }

    /// Changes an issue.
    pub async fn update_issue(
        &self,
        asker: &Asker,
        id: &str,
        issue: &str,
        changes: &IssueChanges,
    ) -> Result<Done<Item>, Error> {
        let ready = self.ready(asker, id, Operation::UpdateIssue, false).await?;
        let work = ready.project()?.update_issue(&ready.context, issue, changes);
        let issue = self.begin(asker, &ready).finish(work).await?;
        Ok(ready.done(issue))
    }

    /// A page of the issues that are the user's to do.
    pub async fn my_issues(&self, asker: &Asker, id: &str, wanted: &Wanted) -> Result<Done<Items>, Error> {
        let turn = self.turn(asker, id, (Operation::MyIssues, ""), wanted).await?;
        let work = turn.ready.project()?.my_issues(&turn.ready.context, &turn.listing);
        let page = self.turned(asker, &turn, work).await?;
        Ok(turn.ready.done(page))
    }

    /// How a project stands.
    pub async fn summary(&self, asker: &Asker, id: &str, project: &str) -> Result<Done<Summary>, Error> {
        let ready = self.ready(asker, id, Operation::Summary, false).await?;
        let work = ready.project()?.summary(&ready.context, project);
        let told = self.begin(asker, &ready).finish(work).await?;
        Ok(ready.done(told))
    }
}
