// Runs the hand-off's Kotlin on a JVM: a command a line on stdin, an answer a line on stdout.
import android.content.res.AssetManager
import com.google.ai.edge.litert.CompiledModel
import emotionnet.*
import fake.Fake
import java.io.File
import java.util.concurrent.atomic.AtomicBoolean
import kotlin.concurrent.thread
import kotlin.coroutines.Continuation
import kotlin.coroutines.EmptyCoroutineContext
import kotlin.coroutines.startCoroutine

fun main() {
    CompiledModel.sizes =
        OUTPUTS.flatMap { (key, sizes) -> sizes.map { "$key/${it.key}" to it.value } }.toMap()
    while (true) println(answer((readLine() ?: return).split(" ")))
}

private fun answer(words: List<String>): String {
    val numbers = words.drop(1)
    return when (words[0]) {
        "contract" -> "${Contract.NAME}|${Contract.MODEL_FILE}|${Contract.LABELS.joinToString("|")}"
        "square" -> {
            val (a, b, c, d) = numbers.take(8).map { it.toDouble() }.chunked(2) { Point(it[0], it[1]) }
            cropSquare(a, b, c, d, Detector.valueOf(numbers[8])).run { "$left $top $side" }
        }
        "crop" -> crop(numbers)
        "pick" -> {
            val times = numbers.drop(4).map { it.removeSuffix("-").toDouble() }.toDoubleArray()
            val faces = numbers.drop(4).map { !it.endsWith("-") }.toBooleanArray()
            val (frames, start, end, hz) = numbers
            pickFrames(times, faces, start.toDouble(), end.toDouble(), frames.toInt(), hz.toDouble())
                .joinToString(" ")
        }
        "arrays" ->
            readArrays(File(words[1]).inputStream()).entries.joinToString("|") { (name, values) ->
                "$name=" + (0 until values.limit()).joinToString("") { "%02x".format(values[it]) }
            }
        "faces" -> faces(numbers)
        "sound" -> sound(numbers)
        "threads" -> threads(words[1].toInt())
        "classify" -> classify(runtime(words[1]), words[2].toInt())
        "live" -> live(runtime(words[1]), words[2].toInt())
        "suspended" -> now { suspended(runtime(words[1]), words[2].toInt()) }
        else -> error(words[0])
    }
}

private fun runtime(name: String): ModelRuntime =
    when (name) {
        "compiled" -> CompiledModelRuntime.fromAssets(AssetManager())
        "file" -> CompiledModelRuntime.fromFile("somewhere.tflite")
        else -> InterpreterRuntime.fromAssets(AssetManager())
    }

/** picture.rgb width height left top side size out.rgb */
private fun crop(words: List<String>): String {
    val rgb = File(words[0]).readBytes()
    val (width, height, left, top, side, size) = words.subList(1, 7).map { it.toInt() }
    val pixels =
        IntArray(width * height) { i ->
            (0 until 3).fold(255) { argb, c -> argb shl 8 or (rgb[3 * i + c].toInt() and 255) }
        }
    val out = ByteArray(5 + size * size * 3)
    cropFace(pixels, width, height, Square(left, top, side), out, offset = 5, size = size)
    File(words[7]).writeBytes(out.copyOfRange(5, out.size))
    return "ok"
}

private operator fun <T> List<T>.component6() = this[5]

/** capacity (or "usual") frames windowS endS, then times with an embedding's value, or "-" for no face */
private fun faces(words: List<String>): String {
    val frames = words[1].toInt()
    val usual = FaceRing(width = 2, frames = frames)
    val ring = words[0].toIntOrNull()?.let { FaceRing(it, width = 2, frames = frames) } ?: usual
    for (pair in words.drop(4)) {
        val (time, value) = pair.split(":")
        ring.add(time.toDouble(), value.toFloatOrNull()?.let { floatArrayOf(it, -it) })
    }
    val embeddings = FloatArray(2 * frames) { 9f }
    val mask = FloatArray(frames) { 9f }
    val count = ring.window(words[3].toDouble(), embeddings, mask, words[2].toDouble())
    return "$count ${mask.joinToString(" ")} ${embeddings.joinToString(" ")}"
}

/** capacity, then chunks of samples separated by commas, or "error" for what AudioRecord reports as one */
private fun sound(words: List<String>): String {
    val ring = SoundRing(words[0].toInt())
    for (chunk in words.drop(1)) {
        if (chunk == "error") ring.add(ShortArray(4), -3)
        else ring.add(chunk.split(",").map { it.toShort() }.toShortArray())
    }
    val waveform = FloatArray(words[0].toInt()) { 9f }
    val length = ring.copyTo(waveform)
    return "$length ${waveform.joinToString(" ")}"
}

/** How many of so many copies are not one piece of what another thread adds meanwhile: 0, 1, 2 and so on. */
private fun threads(copies: Int): String {
    val ring = SoundRing(4000)
    val done = AtomicBoolean()
    val microphone = thread {
        var at = 0
        while (!done.get()) ring.add(ShortArray(160) { (at++ % 32000).toShort() })
    }
    val waveform = FloatArray(4000)
    var torn = 0
    repeat(copies) {
        val length = ring.copyTo(waveform)
        val steps = (1 until length).map { (32768 * (waveform[it] - waveform[it - 1])).toInt() }
        if (steps.any { it != 1 && it != -31999 }) torn++
    }
    done.set(true)
    microphone.join()
    return "$torn"
}

private fun face(seed: Int) = ByteArray(Contract.FACE_BYTES) { (it * 31 + seed * 17).toByte() }

private fun waveform(seed: Int) = FloatArray(Contract.SAMPLES) { ((it * 7 + seed) % 100) / 100f }

private val silence = FloatArray(Contract.SAMPLES) { (it % 5 - 2) / 32768f }

private fun classify(runtime: ModelRuntime, times: Int): String {
    val classifier = EmotionClassifier(runtime)
    val before = Fake.buffersMade
    var answer: Answer? = null
    for (i in 0 until times) {
        val faces = ByteArray(Contract.FRAMES * Contract.FACE_BYTES) { (it + i).toByte() }
        val mask = FloatArray(Contract.FRAMES) { if (it == 0) 0f else 1f }
        answer = classifier.classify(faces, mask, waveform(i), 1000 + i)
        check(answer.heard && !classifier.classify(faces, mask, silence, 1000).heard)
    }
    return close(classifier, before, answer!!)
}

private fun live(runtime: ModelRuntime, frames: Int): String {
    val classifier = EmotionClassifier(runtime)
    val before = Fake.buffersMade
    Fake.calls.clear()
    for (i in 0 until frames) classifier.addFrame(i / 10.0, if (i % 3 == 0) null else face(i))
    val nothing = classifier.answer(-1.0)
    check(!nothing.seen && !nothing.heard)
    classifier.hear(silence, 2000)
    check(!classifier.answer(frames / 10.0).heard)
    classifier.hear(waveform(1), 2000)
    val answer = classifier.answer(frames / 10.0)
    check(answer.seen && answer.heard)
    classifier.reset()
    check(!classifier.answer(frames / 10.0).seen)
    val encoded = Fake.calls.count { it == "encode_face" }
    return "encoded $encoded ${close(classifier, before, answer)}"
}

/** As [live], by coroutines. */
private suspend fun suspended(runtime: ModelRuntime, frames: Int): String {
    val worker = EmotionWorker(EmotionClassifier(runtime))
    for (i in 0 until frames) worker.addFrame(i / 10.0, if (i % 3 == 0) null else face(i))
    worker.hear(waveform(1), 2000)
    val answer = worker.answer(frames / 10.0)
    worker.reset()
    check(!worker.answer(frames / 10.0).seen)
    worker.close()
    return answer.probabilities.joinToString(" ")
}

private fun <T> now(block: suspend () -> T): T {
    var result: Result<T>? = null
    block.startCoroutine(Continuation(EmptyCoroutineContext) { result = it })
    return result!!.getOrThrow()
}

private fun close(classifier: EmotionClassifier, before: Int, answer: Answer): String {
    val made = Fake.buffersMade - before
    Fake.closed = 0
    classifier.close()
    return "buffers $made closed ${Fake.closed} label ${answer.label} " +
        "ranked ${answer.ranked().first().first} values ${answer.probabilities.joinToString(" ")}"
}
