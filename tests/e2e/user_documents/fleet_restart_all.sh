systemctl restart 'voxcore@*'
