systemctl enable voxcore@5 voxcore@6
systemctl start voxcore@5 voxcore@6
