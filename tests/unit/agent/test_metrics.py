"""The series that have to be there before anything has happened."""

from vox.agent.metrics import INTERRUPTIONS, expose_idle
from vox.runtime.metrics import Metrics


def test_the_series_that_autoscalers_and_alerts_follow_begin_at_zero():
    metrics = Metrics()
    expose_idle(metrics)
    shown = metrics.render().decode()
    for route in ("ws", "telephony_ws", "webrtc"):
        assert f'voxray_http_active_connections{{route="{route}"}} 0.0' in shown
        labels = f'direction="ingress",model="",route="{route}",session_id="",stage="http"'
        assert f"http_active_connections{{{labels}}} 0.0" in shown
    for stage in ("stt", "llm", "tts"):
        assert (
            f'{stage}_errors_total{{error_type="provider_error",model="",session_id="",stage="{stage}"}} 0.0' in shown
        )
    assert "vox_agent_response_seconds_count 0.0" in shown


def test_what_is_counted_already_stays():
    metrics = Metrics()
    expose_idle(metrics)
    metrics.counter(INTERRUPTIONS).inc()
    expose_idle(metrics)
    assert "vox_agent_interruptions_total 1.0" in metrics.render().decode()
