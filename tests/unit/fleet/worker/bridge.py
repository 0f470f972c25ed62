"""A bridge that answers in memory, for what a worker asks of it."""

import httpx2


class PlayedBridge:
    """Answers with `answers` by path, else 404; remembers the requests. An exception is raised in place of an answer."""

    def __init__(self, **answers):
        self.answers = answers
        self.requests = []
        self.http = httpx2.AsyncClient(transport=httpx2.MockTransport(self._answer))

    def _answer(self, request):
        self.requests.append(request)
        for path, answer in self.answers.items():
            if path in request.url.path:
                given = answer.pop(0) if isinstance(answer, list) else answer
                if isinstance(given, Exception):
                    raise given
                return given if isinstance(given, httpx2.Response) else httpx2.Response(200, json=given)
        return httpx2.Response(404)
