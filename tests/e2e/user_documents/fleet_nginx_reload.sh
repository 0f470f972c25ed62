nginx -t && systemctl reload nginx
