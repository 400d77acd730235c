//! Jira: issues as items, and the projects that they stand in. <https://developer.atlassian.com/cloud/jira/platform/rest/v3/intro/>

mod adf;
