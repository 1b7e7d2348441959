// Written by `python -m emotionnet.export`. For apps with coroutines; others leave this file out.

package emotionnet

import kotlinx.coroutines.CoroutineDispatcher
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.NonCancellable
import kotlinx.coroutines.withContext

/**
 * An [EmotionClassifier] that may be called from any coroutine, the main thread's included: calls leave
 * the caller's thread and are done one after the other. Arrays that were given must stay as they are
 * until the call returns.
 */
class EmotionWorker(
    private val classifier: EmotionClassifier,
    private val thread: CoroutineDispatcher = Dispatchers.Default.limitedParallelism(1),
) {
    /** As [EmotionClassifier.classify]. */
    suspend fun classify(
        faces: ByteArray,
        mask: FloatArray,
        waveform: FloatArray,
        samples: Int,
    ): Answer = withContext(thread) { classifier.classify(faces, mask, waveform, samples) }

    /** As [EmotionClassifier.addFrame]. */
    suspend fun addFrame(timeS: Double, face: ByteArray?) =
        withContext(thread) { classifier.addFrame(timeS, face) }

    /** As [EmotionClassifier.hear]. */
    suspend fun hear(waveform: FloatArray, samples: Int) =
        withContext(thread) { classifier.hear(waveform, samples) }

    /** As [EmotionClassifier.answer]. */
    suspend fun answer(endS: Double): Answer = withContext(thread) { classifier.answer(endS) }

    /** As [EmotionClassifier.reset]. */
    suspend fun reset() = withContext(thread) { classifier.reset() }

    /** Frees the model after the calls that are on their way. */
    suspend fun close() = withContext(NonCancellable + thread) { classifier.close() }
}
