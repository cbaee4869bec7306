//! Who calls, as the gateway has checked it.

use lambda_http::request::RequestContext;
use lambda_http::{Request, RequestExt as _};
use porpoise_api::Principal;

/// Claims of a token that may name somebody, the best first.
const CLAIMS: [&str; 3] = ["email", "username", "sub"];

/// The IAM principal, or whom a token of an identity provider names; `None` if the gateway let everybody in.
pub(crate) fn principal(request: &Request) -> Option<Principal> {
    let RequestContext::ApiGatewayV2(context) = request.request_context_ref()? else {
        return None;
    };
    let authorizer = context.authorizer.as_ref()?;
    let iam = authorizer.iam.as_ref().and_then(|iam| iam.user_arn.clone());
    let jwt = || {
        let claims = &authorizer.jwt.as_ref()?.claims;
        CLAIMS.iter().find_map(|name| claims.get(*name).cloned())
    };
    let named = iam.or_else(jwt).filter(|name| !name.is_empty());
    named.map(Principal)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An event of payload format 2.0, as API Gateway and function URLs send it.
    fn request(authorizer: &str) -> Request {
        let event = format!(
            r#"{{
            "version": "2.0", "routeKey": "$default", "rawPath": "/v1/projects", "rawQueryString": "",
            "headers": {{"accept": "*/*", "host": "abcdefgh.execute-api.eu-west-1.amazonaws.com"}},
            "requestContext": {{
                "accountId": "123456789012", "apiId": "abcdefgh", {authorizer}
                "domainName": "abcdefgh.execute-api.eu-west-1.amazonaws.com", "domainPrefix": "abcdefgh",
                "http": {{"method": "GET", "path": "/v1/projects", "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1",
                    "userAgent": "porpoise-cli/0.1.0"}},
                "requestId": "e1506fd5-9e7b-434f-bd42-4f8fa224b599", "routeKey": "$default", "stage": "$default",
                "time": "12/Mar/2020:19:03:58 +0000", "timeEpoch": 1583348638390
            }},
            "isBase64Encoded": false
        }}"#
        );
        lambda_http::request::from_str(&event).unwrap()
    }

    #[test]
    fn the_caller_is_the_iam_principal() {
        let request = request(
            r#""authorizer": {"iam": {"accessKey": "ASIAEXAMPLE", "accountId": "123456789012",
                "callerId": "AROAEXAMPLE:ada", "cognitoIdentity": null, "principalOrgId": "o-abc",
                "userArn": "arn:aws:sts::123456789012:assumed-role/Dev/ada", "userId": "AROAEXAMPLE:ada"}},"#,
        );
        let wanted = "arn:aws:sts::123456789012:assumed-role/Dev/ada";
        assert_eq!(principal(&request), Some(Principal(wanted.to_owned())));
    }

    #[test]
    fn the_caller_is_whom_the_token_names() {
        let request = request(
            r#""authorizer": {"jwt": {"claims": {"sub": "42", "email": "ada@example.com"}, "scopes": null}},"#,
        );
        let wanted = Principal("ada@example.com".to_owned());
        assert_eq!(principal(&request), Some(wanted));
    }

    #[test]
    fn whom_nobody_checked_is_nobody() {
        assert_eq!(principal(&request("")), None);
    }
}
