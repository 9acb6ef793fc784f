;; to[i] += row i of the matrix w (rows, size) . x; an even number of rows, sizes of a multiple of four. network.js holds
;; what wat2wasm makes of it.
(module
  (memory (export "memory") 1)
  (func (export "product") (param $w i32) (param $x i32) (param $to i32) (param $rows i32) (param $size i32)
    (local $v i32) (local $at i32) (local $end i32) (local $a v128) (local $b v128) (local $y v128)
    (local.set $size (i32.shl (local.get $size) (i32.const 2)))
    (local.set $end (i32.add (local.get $x) (local.get $size)))
    (loop $row
      (local.set $v (i32.add (local.get $w) (local.get $size)))
      (local.set $at (local.get $x))
      (local.set $a (v128.const f32x4 0 0 0 0))
      (local.set $b (local.get $a))
      (loop $column
        (local.set $y (v128.load (local.get $at)))
        (local.set $a (f32x4.add (local.get $a) (f32x4.mul (v128.load (local.get $w)) (local.get $y))))
        (local.set $b (f32x4.add (local.get $b) (f32x4.mul (v128.load (local.get $v)) (local.get $y))))
        (local.set $w (i32.add (local.get $w) (i32.const 16)))
        (local.set $v (i32.add (local.get $v) (i32.const 16)))
        (br_if $column (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 16))) (local.get $end))))
      (local.set $w (local.get $v))
      (local.set $a (f32x4.add (i8x16.shuffle 0 1 2 3 16 17 18 19 8 9 10 11 24 25 26 27 (local.get $a) (local.get $b)) (i8x16.shuffle 4 5 6 7 20 21 22 23 12 13 14 15 28 29 30 31 (local.get $a) (local.get $b))))
      (f32.store (local.get $to) (f32.add (f32.load (local.get $to)) (f32.add (f32x4.extract_lane 0 (local.get $a)) (f32x4.extract_lane 2 (local.get $a)))))
      (f32.store offset=4 (local.get $to) (f32.add (f32.load offset=4 (local.get $to)) (f32.add (f32x4.extract_lane 1 (local.get $a)) (f32x4.extract_lane 3 (local.get $a)))))
      (local.set $to (i32.add (local.get $to) (i32.const 8)))
      (br_if $row (local.tee $rows (i32.sub (local.get $rows) (i32.const 2)))))))
