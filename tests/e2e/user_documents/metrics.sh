# scrape from localhost only — do not expose publicly
curl http://localhost:8080/metrics
