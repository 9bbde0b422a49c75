//! The target of a redirect.

use url::Url;

use crate::answer::Answer;
use crate::normal_url::normalise;
use crate::outcome::ErrorKind;

use super::Context;

/// Whether `status` redirects a GET (RFC 9110 section 15.4). 300 offers a choice, 304 answers a conditional request,
/// and the other 3xx codes are no longer used.
pub(super) fn is_redirect(status: u16) -> bool {
    matches!(status, 301 | 302 | 303 | 307 | 308)
}

/// The normalised URL that the answer redirects to.
///
/// Fails with [`ErrorKind::Redirect`] if there is no Location or it is not an http or https URL, and with
/// [`ErrorKind::BadUrl`] if the URL is too long to be requested.
pub(super) fn target(context: &Context<'_>, answer: &Answer) -> Result<Url, ErrorKind> {
    let location = answer.location.as_deref().ok_or(ErrorKind::Redirect)?;
    let base = context.step.url.as_ref().ok_or(ErrorKind::BadUrl)?;
    let url = base.join(location.trim()).map_err(|_| ErrorKind::Redirect)?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(ErrorKind::Redirect);
    }
    normalise(url).ok_or(ErrorKind::BadUrl)
}

#[cfg(test)]
mod tests {
    use crate::bounds::REDIRECTS_MAX;
    use crate::conclude::Rows;
    use crate::conclude::fixture::{TestRequest, follow, redirect, status};
    use crate::outcome::{ErrorKind, Outcome};
    use crate::request::NextStep;
    use crate::task::TaskKind;

    #[test]
    fn a_redirect_within_the_host_is_followed_in_place() {
        for code in [301, 302, 303, 307, 308] {
            let mut answer = redirect("/Deep/%7esitemap.xml#top");
            answer.status = Some(code);
            let conclusion = TestRequest::sitemap().conclude(&answer);
            assert_eq!(conclusion.next, follow("https://a.example/Deep/~sitemap.xml", 1));
            assert_eq!((conclusion.outcome, conclusion.error), (None, None));
        }
    }

    #[test]
    fn a_redirect_is_resolved_against_the_url_of_its_request() {
        let request = TestRequest::sitemap().at("https://a.example/deep/er/s.xml", 3);
        let next = request.conclude(&redirect("../t.xml")).next;
        assert_eq!(next, follow("https://a.example/deep/t.xml", 4));
    }

    #[test]
    fn another_scheme_name_or_port_is_another_host_whose_task_the_target_becomes() {
        for target in
            ["http://a.example/s.xml", "https://www.a.example/s.xml", "https://a.example:8443/s.xml"]
        {
            let mut request = TestRequest::sitemap().hop(2);
            request.step.task.hops = 3;
            request.step.task.depth = 4;
            request.step.task.named_by = vec![request.host().id()];
            let conclusion = request.conclude(&redirect(target));
            assert_eq!((conclusion.ended(), &conclusion.next), (&Outcome::Redirected, &NextStep::Done));
            assert_eq!(conclusion.links(), [(target, TaskKind::Sitemap)]);
            let found = &conclusion.found[0];
            assert_eq!((found.task.hops, found.task.depth, found.task.attempts), (6, 4, 0));
            assert_eq!(found.task.named_by, request.step.task.named_by);
            assert_eq!(
                (found.task.parent, found.found_on),
                (Some(request.step.task.id), Some(request.host().id()))
            );
            assert_eq!(found.task.id.host, found.host.id());
        }
    }

    #[test]
    fn the_tenth_redirect_is_followed_and_the_eleventh_is_not() {
        for (hops, hop, follows) in
            [(0, 9, true), (4, 5, true), (0, 10, false), (6, 4, false), (u8::MAX, 1, false)]
        {
            for target in ["/t.xml", "https://b.example/t.xml"] {
                let mut request = TestRequest::sitemap().at("https://a.example/x.xml", hop);
                request.step.task.hops = hops;
                let conclusion = request.conclude(&redirect(target));
                let failed = conclusion.error == Some(ErrorKind::Redirect);
                assert_eq!(failed, !follows, "{hops} + {hop} of {REDIRECTS_MAX}, to {target}");
            }
        }
    }

    #[test]
    fn a_redirect_that_leads_nowhere_fails_and_is_not_tried_again() {
        let too_long = format!("/{}", "a".repeat(9000));
        for (location, error) in [
            (None, ErrorKind::Redirect),
            (Some("https://"), ErrorKind::Redirect),
            (Some("http://a b/"), ErrorKind::Redirect),
            (Some("ftp://a.example/s.xml"), ErrorKind::Redirect),
            (Some("javascript:alert(1)"), ErrorKind::Redirect),
            (Some("file:///etc/passwd"), ErrorKind::Redirect),
            (Some("https://a.example/sitemap.xml#itself"), ErrorKind::Redirect),
            (Some(too_long.as_str()), ErrorKind::BadUrl),
        ] {
            let mut answer = status(302);
            answer.location = location.map(str::to_owned);
            let conclusion = TestRequest::sitemap().conclude(&answer);
            assert_eq!(conclusion.ended(), &Outcome::Failed(error), "{location:?}");
            assert_eq!((conclusion.error, conclusion.rows), (Some(error), Rows::Drop));
        }
    }

    #[test]
    fn a_redirect_back_to_the_first_url_is_a_loop() {
        let request = TestRequest::sitemap().at("https://a.example/b.xml", 1);
        let conclusion = request.conclude(&redirect("/sitemap.xml"));
        assert_eq!(conclusion.ended(), &Outcome::Failed(ErrorKind::Redirect));
    }

    #[test]
    fn other_statuses_of_their_hundred_are_no_redirects() {
        for code in [300, 304, 305, 306, 399] {
            let mut answer = redirect("/t.xml");
            answer.status = Some(code);
            let conclusion = TestRequest::sitemap().conclude(&answer);
            assert_eq!(conclusion.ended(), &Outcome::Failed(ErrorKind::HttpStatus), "{code}");
        }
    }

    #[test]
    fn a_guess_that_moves_to_another_host_stays_a_guess() {
        let same_path = TestRequest::probe(1, "/sitemap_index.xml")
            .conclude(&redirect("https://www.a.example/sitemap_index.xml"));
        assert_eq!(same_path.ended(), &Outcome::Redirected);
        assert_eq!(same_path.found[0].task.kind, TaskKind::Probe(1));
        let elsewhere = TestRequest::probe(0, "/sitemap.xml").conclude(&redirect("https://parent.example/"));
        assert_eq!(elsewhere.links(), [("https://parent.example/", TaskKind::LastProbe)]);
    }
}
