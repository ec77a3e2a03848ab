"""python-jenkins, which sends account, crumb and posted values to nobody but the Jenkins that was named."""

from __future__ import annotations

from typing import Any
from urllib.parse import urljoin

import jenkins
import requests
from requests.utils import default_headers

from jenkins_mlflow.jenkins_jobs.access import Access
from jenkins_mlflow.jenkins_jobs.failures import Redirected, origin


class Client(jenkins.Jenkins):  # type: ignore[misc]  # it has no types
    """python-jenkins with one account, or none, and with redirects that are safe to follow.

    Args:
        access: Where Jenkins is and who asks.
        timeout: Seconds for one answer.
    """

    _auths: list[Any]
    _session: Any

    def __init__(self, access: Access, timeout: float) -> None:
        super().__init__(access.url, access.user, access.token, timeout=timeout)
        del self._auths[1:]  # where requests_kerberos is installed, a ticket would be tried first
        if access.user is None:
            self._auths = [("anonymous", _nobody)]
        session = _Session()
        session.adapters, session.verify = self._session.adapters, self._session.verify
        session.headers = self._session.headers
        self._session = session

    def maybe_add_crumb(self, req: requests.Request) -> None:
        """Only what changes something needs one."""
        if req.method == "POST":
            super().maybe_add_crumb(req)


class _Session(jenkins.WrappedSession):  # type: ignore[misc]  # it has no types
    """Reads follow redirects, since archived files may be stored elsewhere. What follows a POST is a page of the same
    Jenkins."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        target: str | None = super().get_redirect_target(resp)
        if target is None or resp.request.method != "POST":
            return target
        address = urljoin(resp.url, target)
        if resp.status_code in (307, 308) or origin(address) != origin(resp.url):
            resp.close()
            raise Redirected(origin(resp.url), origin(address))
        return target

    def rebuild_auth(self, prepared_request: requests.PreparedRequest, response: requests.Response) -> None:
        """Takes the account, and headers of JENKINS_API_EXTRA_HEADERS, off what goes to another host. That of requests
        would put on a login of ~/.netrc."""
        if self.should_strip_auth(response.request.url, prepared_request.url):
            for name in {"Authorization", *self.headers} - default_headers().keys():
                prepared_request.headers.pop(name, None)


def _nobody(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """No account. Where a session has none at all, requests looks for one in ~/.netrc."""
    return request
