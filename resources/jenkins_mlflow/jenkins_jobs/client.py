"""A python-jenkins client that sends account, crumb and posted values only to the configured Jenkins."""

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
        access: Jenkins' address and the account.
        timeout: The timeout of a request in seconds.
    """

    _auths: list[Any]
    _session: Any

    def __init__(self, access: Access, timeout: float) -> None:
        super().__init__(access.url, access.user, access.token, timeout=timeout)
        del self._auths[1:]  # with requests_kerberos installed, a ticket would be tried first
        if access.user is None:
            self._auths = [("anonymous", _nobody)]
        session = _Session()
        session.adapters, session.verify = self._session.adapters, self._session.verify
        session.headers = self._session.headers
        self._session = session

    def maybe_add_crumb(self, req: requests.Request) -> None:
        """Only requests that change something need a crumb."""
        if req.method == "POST":
            super().maybe_add_crumb(req)


class _Session(jenkins.WrappedSession):  # type: ignore[misc]  # it has no types
    """A session with safe redirects.

    Reads follow them, because archived files may be stored elsewhere. After a POST they are followed only within the
    same Jenkins.
    """

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
        """Remove the account, and headers of JENKINS_API_EXTRA_HEADERS, from requests to another host.

        The original method would add a login of ~/.netrc.
        """
        if self.should_strip_auth(response.request.url, prepared_request.url):
            for name in {"Authorization", *self.headers} - default_headers().keys():
                prepared_request.headers.pop(name, None)


def _nobody(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """No account. Without any, requests would look for one in ~/.netrc."""
    return request
